-- Up Migration
-- Which relay's round is publishing a row, and until when nobody else may. Neither column is indexed, so that a claim can
-- be a HOT update; few rows are claimed at a time, and the relay reads past them.
alter table platform.outbox
  add column claimed_by uuid,
  add column claimed_until timestamptz;

-- by the transaction that raised a fence, long after its events were published
drop index platform.outbox_unpublished_by_transaction;
create index outbox_by_transaction on platform.outbox (xid);

-- As in 0001, but inserts fill only half of a page: a claim's new version of a row then fits beside the old one, and
-- touches no index. Partitions inherit no storage parameters.
create or replace function platform.create_outbox_partitions(days_ahead integer) returns integer language plpgsql as $$
declare
  day date;
  created integer := 0;
begin
  for day in select generate_series(current_date, current_date + days_ahead, interval '1 day')::date loop
    if to_regclass(format('platform.outbox_%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table platform.outbox_%1$s (like platform.outbox including defaults including constraints) with (fillfactor = 50)', to_char(day, 'YYYYMMDD'));
      -- the matching CHECK spares ATTACH its scan
      execute format('alter table platform.outbox_%1$s add constraint within_day check (created_at >= %2$L and created_at < %3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox attach partition platform.outbox_%1$s for values from (%2$L) to (%3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox_%1$s drop constraint within_day', to_char(day, 'YYYYMMDD'));
      created := created + 1;
    end if;
  end loop;
  return created;
end $$;

do $$
declare
  partition regclass;
begin
  for partition in select inhrelid from pg_inherits where inhparent = 'platform.outbox'::regclass loop
    execute format('alter table %s set (fillfactor = 50)', partition);
  end loop;
end $$;

-- Down Migration
do $$
declare
  partition regclass;
begin
  for partition in select inhrelid from pg_inherits where inhparent = 'platform.outbox'::regclass loop
    execute format('alter table %s reset (fillfactor)', partition);
  end loop;
end $$;

create or replace function platform.create_outbox_partitions(days_ahead integer) returns integer language plpgsql as $$
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

drop index platform.outbox_by_transaction;
create index outbox_unpublished_by_transaction on platform.outbox (xid) where published_at is null;
alter table platform.outbox drop column claimed_by, drop column claimed_until;
