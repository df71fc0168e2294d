-- Up Migration
-- Rounds of a refresh are bounded, so a round may leave changes for the next one. The dirty sets say when each change was
-- made. The appended changes of holdings and moments are collected here, where they can be found by moment and by wallet.

-- The moments that the read models still count as they were before a change, and how. A column group is empty if only the
-- other one changed: a moment's holder and lock, or its edition.
create table wallets.outdated_moments (
  nft_id bigint primary key,
  -- the first change of the holding since it was counted, in changed_holdings
  holding_change bigint,
  wallet_address bytea,
  is_locked boolean,
  -- the first change of the moment since it was counted, in changed_moments
  edition_change bigint,
  edition_id integer,
  changed_at timestamptz not null
);
create index outdated_moments_by_age on wallets.outdated_moments (changed_at, nft_id);
create index outdated_moments_by_wallet on wallets.outdated_moments (wallet_address) where wallet_address is not null;
create index outdated_moments_by_edition on wallets.outdated_moments (edition_id) where edition_id is not null;

alter table wallets.dirty_wallets add column changed_at timestamptz not null default now();
alter table wallets.dirty_editions add column changed_at timestamptz not null default now();
alter table wallets.changed_holdings add column changed_at timestamptz not null default now();
alter table wallets.changed_moments add column changed_at timestamptz not null default now();
alter table wallets.new_sales add column changed_at timestamptz not null default now();

-- Down Migration
insert into wallets.changed_holdings (id, nft_id, wallet_address, is_locked) overriding system value
select holding_change, nft_id, wallet_address, is_locked from wallets.outdated_moments where holding_change is not null;
insert into wallets.changed_moments (id, nft_id, edition_id) overriding system value
select edition_change, nft_id, edition_id from wallets.outdated_moments where edition_change is not null;
drop table wallets.outdated_moments;
alter table wallets.dirty_wallets drop column changed_at;
alter table wallets.dirty_editions drop column changed_at;
alter table wallets.changed_holdings drop column changed_at;
alter table wallets.changed_moments drop column changed_at;
alter table wallets.new_sales drop column changed_at;
