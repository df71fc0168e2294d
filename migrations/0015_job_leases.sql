-- Up Migration
-- The worker of a job holds its lease under a token, so that a stalled one cannot end its successor's run.
alter table platform.jobs add column lease_token uuid;

-- Down Migration
alter table platform.jobs drop column lease_token;
