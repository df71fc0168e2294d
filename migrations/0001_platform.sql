-- Up Migration
create schema platform;

-- What has changed, written by triggers in the changing transaction. Partitioned by day, so that ageing is a DROP; there
-- is no default partition, so that a missing one is an error and not a slow surprise.
create table platform.outbox (
  id bigint generated always as identity,
  type text not null,
  entities text[] not null check (cardinality(entities) between 1 and 500),
  xid xid8 not null default pg_current_xact_id(),
  detail jsonb not null default '{}',
  correlation_id text default nullif(current_setting('tributary.correlation_id', true), ''),
  created_at timestamptz not null default now(),
  published_at timestamptz,
  primary key (id, created_at)
) partition by range (created_at);

create index outbox_unpublished on platform.outbox (id) where published_at is null;
create index outbox_unpublished_by_transaction on platform.outbox (xid) where published_at is null;

-- Creates the partitions from today on, as many days ahead as asked; gives how many were missing.
create function platform.create_outbox_partitions(days_ahead integer) returns integer language plpgsql as $$
declare
  day date;
  created integer := 0;
begin
  for day in select generate_series(current_date, current_date + days_ahead, interval '1 day')::date loop
    if to_regclass(format('platform.outbox_%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table platform.outbox_%1$s (like platform.outbox including defaults including constraints)', to_char(day, 'YYYYMMDD'));
      -- the matching CHECK spares ATTACH its scan
      execute format('alter table platform.outbox_%1$s add constraint within_day check (created_at >= %2$L and created_at < %3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox attach partition platform.outbox_%1$s for values from (%2$L) to (%3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox_%1$s drop constraint within_day', to_char(day, 'YYYYMMDD'));
      created := created + 1;
    end if;
  end loop;
  return created;
end $$;

select platform.create_outbox_partitions(14);

-- Announces a change, in rows of at most 500 entities.
create function platform.announce(event_type text, changed text[], event_detail jsonb default '{}') returns void
language sql as $$
  insert into platform.outbox (type, entities, detail)
  select event_type, array_agg(entity order by entity), event_detail
  from (
    select entity, (row_number() over (order by entity) - 1) / 500 as part
    from (select distinct entity from unnest(changed) as entity where entity is not null) as named
  ) as parted
  group by part
$$;

create table platform.event_deliveries (
  event_id bigint not null,
  consumer text not null,
  status text not null check (status in ('applied', 'failed')),
  attempts integer not null default 1,
  error text,
  at timestamptz not null default now(),
  primary key (event_id, consumer)
);
create index event_deliveries_at on platform.event_deliveries using brin (at);

create table platform.jobs (
  id text primary key check (length(id) = 26),
  job text not null,
  params jsonb not null default '{}',
  status text not null default 'queued' check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  step text,
  rows_read bigint not null default 0,
  rows_applied bigint not null default 0,
  rows_unchanged bigint not null default 0,
  rows_rejected bigint not null default 0,
  rows_total bigint,
  percent real,
  attempts integer not null default 0,
  error jsonb,
  requested_by text not null,
  correlation_id text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);
-- the same work is queued or running once
create unique index jobs_one_at_a_time on platform.jobs (job, params) where status in ('queued', 'running');

-- How far a job has got, and who may move it on: a write under another token than the row's is a zombie's.
create table platform.checkpoints (
  name text primary key,
  position jsonb,
  lease_token uuid,
  lease_until timestamptz,
  updated_at timestamptz not null default now()
);

create table platform.rejected_rows (
  job_id text not null references platform.jobs on delete cascade,
  position bigint not null,
  reason text not null,
  data jsonb not null,
  primary key (job_id, position)
);

-- The part of every cache key that makes all of it void when it changes: another cluster, or a counted-up number.
create table platform.cache_generation (
  one boolean primary key default true check (one),
  cluster text not null,
  counter bigint not null default 1
);
insert into platform.cache_generation (cluster) select system_identifier::text from pg_control_system();

-- A time as answers have it: ISO 8601, UTC, milliseconds.
create function platform.iso(at timestamptz) returns text language sql immutable parallel safe as
  $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- Down Migration
drop schema platform cascade;
