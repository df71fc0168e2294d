-- Up Migration
-- What a job or webhook could not process, one unit (a collection, a user, a log) a row, so that it costs itself alone.
create table platform.quarantine (
  -- the job or operation
  source text not null,
  unit text not null,
  reason text not null,
  attempts integer not null default 1,
  -- what upstream sent, if one row of it is the unit
  data jsonb,
  since timestamptz not null default now(),
  failed_at timestamptz not null default now(),
  -- null: it is not tried again by itself
  retry_at timestamptz,
  -- the run that failed last; null: a webhook
  job_id text,
  primary key (source, unit)
);

alter table collections.collections add column transfers_synced_at timestamptz;
create index collections_by_sync on collections.collections (transfers_synced_at nulls first)
  where completeness = 'complete' and deployed_block is not null;

-- Down Migration
drop index collections.collections_by_sync;
alter table collections.collections drop column transfers_synced_at;
drop table platform.quarantine;
