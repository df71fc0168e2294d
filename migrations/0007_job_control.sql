-- Up Migration
-- What running jobs need beyond their progress: who is at work (a lease that the worker keeps extending, so that of two
-- messages of one job the second leaves), what came of it, and whether it was asked for again meanwhile.
alter table platform.jobs
  add column lease_until timestamptz,
  add column run_again boolean not null default false,
  add column result jsonb;

-- Up to when a source's changes are known: where the next incremental sync begins, less its overlap.
create table platform.watermarks (
  name text primary key,
  complete_to timestamptz not null,
  updated_at timestamptz not null default now()
);

-- Down Migration
drop table platform.watermarks;
alter table platform.jobs drop column lease_until, drop column run_again, drop column result;
