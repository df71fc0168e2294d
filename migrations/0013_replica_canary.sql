-- Up Migration
-- What the replica canary writes to see when a reader shows it: one row per transaction, deleted when its run ends.
-- Nothing is cached of it, so its changes are not announced.
create table platform.replica_canary (
  xid xid8 primary key default pg_current_xact_id(),
  run uuid not null,
  written_at timestamptz not null default now()
);

-- Down Migration
drop table platform.replica_canary;
