-- Up Migration
-- The keys in the result of a full sync, one array a batch. A stored row is missing if its key is in none of them.
create table wallets.seen_rows (
  run text not null,
  keys text[] not null
);
-- compressing keys costs more time than it saves space
alter table wallets.seen_rows alter column keys set storage external;
create index seen_rows_by_run on wallets.seen_rows (run);

-- A missing row is removed only if it is still as it was when it was noted. Runs note their rows anew.
delete from wallets.missing_rows;
alter table wallets.missing_rows add column stored text not null;

-- Events dated more than a day ahead are now rejected. Those stored hide all that follow: the next event counts again.
update wallets.wallet_holdings set last_event_ts = 'epoch' where last_event_ts > now() + interval '1 day';

-- Down Migration
alter table wallets.missing_rows drop column stored;
drop table wallets.seen_rows;
