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

-- How much of a sync was rejected, from its beginning, which may be several runs ago.
alter table platform.checkpoints
  add column rows_read bigint not null default 0,
  add column rows_rejected bigint not null default 0;

-- When each collection had its last turn, whatever came of it: the next turn is that of the one that waited longest.
alter table collections.collections
  add column transfers_synced_at timestamptz,
  add column transfers_tried_at timestamptz,
  add column owners_tried_at timestamptz;
create index collections_by_sync on collections.collections (transfers_tried_at nulls first, id)
  where completeness = 'complete' and deployed_block is not null;
create index collections_by_listing on collections.collections (owners_tried_at nulls first, id)
  where deployed_block is not null;

-- Down Migration
drop index collections.collections_by_sync, collections.collections_by_listing;
alter table collections.collections
  drop column transfers_synced_at, drop column transfers_tried_at, drop column owners_tried_at;
alter table platform.checkpoints drop column rows_read, drop column rows_rejected;
drop table platform.quarantine;
