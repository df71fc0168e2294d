-- Up Migration
-- The tables of the wallets room: moments, who holds them, what they are worth, and the read models over them. What keeps
-- the read models' dirty sets and announces changes is in 0009. Addresses are bytea (Flow: 8 bytes); which of the seed's
-- indexes are not here, and why, is in docs/decisions/0012-indexes-of-holdings.md.
create schema wallets;
create extension if not exists pg_trgm with schema public;

create table wallets.sets (
  id integer primary key,
  name text not null
);

create table wallets.set_tiers (
  set_name text primary key,
  tier text not null check (tier in ('COMMON', 'UNCOMMON', 'RARE', 'LEGENDARY', 'ULTIMATE'))
);

create table wallets.plays (
  id integer primary key,
  player_name text not null,
  team_name text,
  category text,
  season text,
  moment_at timestamptz,
  -- what else the source says
  details jsonb not null default '{}'
);

-- A play in a set; its names are resolved from sets, tiers and plays, or as the warehouse gives them.
create table wallets.editions (
  id integer generated always as identity primary key,
  set_id integer not null,
  play_id integer not null,
  set_name text,
  tier text check (tier in ('COMMON', 'UNCOMMON', 'RARE', 'LEGENDARY', 'ULTIMATE')),
  player_name text,
  team_name text,
  category text,
  season text,
  moment_at timestamptz,
  unique (set_id, play_id)
);
create index editions_by_player on wallets.editions using gin (player_name gin_trgm_ops);
create index editions_by_team on wallets.editions using gin (team_name gin_trgm_ops);

create table wallets.nft_core_metadata (
  nft_id bigint primary key check (nft_id >= 0),
  edition_id integer not null references wallets.editions,
  serial_number integer not null check (serial_number > 0)
);
create index nft_core_metadata_by_edition on wallets.nft_core_metadata (edition_id);

-- One row a moment, so that it has one holder: whom its last event left it with.
create table wallets.wallet_holdings (
  nft_id bigint primary key check (nft_id >= 0),
  -- null: sold to somebody nobody knows; the row stays, so that an older observation that comes late changes nothing
  wallet_address bytea check (length(wallet_address) = 8),
  is_locked boolean not null default false,
  last_event_ts timestamptz not null,
  -- when a sync or import last changed it
  last_synced_at timestamptz not null default now()
);
-- not partial, although some rows have no wallet: judging each row costs more than keeping it
create index wallet_holdings_by_wallet on wallets.wallet_holdings (wallet_address);

-- What a full sync did not find any more, until the run decides whether to believe it.
create table wallets.missing_rows (
  run text not null,
  key text not null,
  primary key (run, key)
);

create table wallets.wallet_profiles (
  wallet_address bytea primary key check (length(wallet_address) = 8),
  display_name text not null,
  last_synced_at timestamptz not null default now()
);
create index wallet_profiles_by_name on wallets.wallet_profiles using gin (display_name gin_trgm_ops);

-- Every price as it was scraped; the latest of each edition is kept beside it by a trigger.
create table wallets.edition_price_scrape (
  edition_id integer not null references wallets.editions,
  scraped_at timestamptz not null,
  floor_usd numeric check (floor_usd >= 0),
  average_sale_usd numeric check (average_sale_usd >= 0),
  sale_count integer check (sale_count >= 0),
  primary key (edition_id, scraped_at)
);

create table wallets.edition_prices (
  edition_id integer primary key references wallets.editions,
  scraped_at timestamptz not null,
  floor_usd numeric,
  average_sale_usd numeric
);

-- Sales of a player's moments, where a source does not tell editions apart.
create table wallets.player_price_scrape (
  player_name text not null,
  scraped_at timestamptz not null,
  median_sale_usd numeric not null check (median_sale_usd >= 0),
  sale_count integer not null check (sale_count >= 0),
  edition_count integer not null check (edition_count >= 0),
  primary key (player_name, scraped_at)
);

create table wallets.purchases (
  nft_id bigint not null check (nft_id >= 0),
  purchased_at timestamptz not null,
  seller bytea not null check (length(seller) = 8),
  buyer bytea check (length(buyer) = 8),
  price_usd numeric not null check (price_usd >= 0),
  block_height bigint,
  primary key (nft_id, purchased_at, seller)
);

-- The read models, kept by refresh-snapshots from the dirty sets below.
create table wallets.wallet_summary_snapshot (
  wallet_address bytea primary key,
  display_name text,
  moments_total integer not null,
  locked_count integer not null,
  unlocked_count integer not null,
  tier_common integer not null,
  tier_uncommon integer not null,
  tier_rare integer not null,
  tier_legendary integer not null,
  tier_ultimate integer not null,
  floor_value numeric not null,
  asp_value numeric not null,
  priced_moments integer not null,
  last_synced_at timestamptz not null,
  updated_at timestamptz not null
);
create index top_wallets on wallets.wallet_summary_snapshot (moments_total, wallet_address);
create index top_wallets_by_floor_value on wallets.wallet_summary_snapshot (floor_value, wallet_address) where floor_value > 0;
create index top_wallets_by_common on wallets.wallet_summary_snapshot (tier_common, wallet_address) where tier_common > 0;
create index top_wallets_by_uncommon on wallets.wallet_summary_snapshot (tier_uncommon, wallet_address) where tier_uncommon > 0;
create index top_wallets_by_rare on wallets.wallet_summary_snapshot (tier_rare, wallet_address) where tier_rare > 0;
create index top_wallets_by_legendary on wallets.wallet_summary_snapshot (tier_legendary, wallet_address) where tier_legendary > 0;
create index top_wallets_by_ultimate on wallets.wallet_summary_snapshot (tier_ultimate, wallet_address) where tier_ultimate > 0;

create table wallets.wallet_team_counts (
  wallet_address bytea not null,
  team_name text not null,
  moments integer not null check (moments > 0),
  primary key (wallet_address, team_name)
);
create index top_wallets_by_team on wallets.wallet_team_counts (team_name, moments, wallet_address);

create table wallets.editions_snapshot (
  -- no reference: checking it would fail a refresh that an import renames editions under
  edition_id integer primary key,
  supply integer not null check (supply >= 0),
  held integer not null check (held >= 0),
  holders integer not null check (holders >= 0),
  locked integer not null check (locked >= 0),
  floor_usd numeric,
  -- of the latest scrape, else of the sales we know
  average_sale_usd numeric,
  sale_count integer not null default 0,
  sale_sum_usd numeric not null default 0,
  last_sale_usd numeric,
  last_sale_at timestamptz,
  updated_at timestamptz not null
);

-- What the read models have not taken up yet. Append-only: an upsert that waits for another's row would lose a change.
create table wallets.dirty_wallets (wallet_address bytea not null);
create index dirty_wallets_by_wallet on wallets.dirty_wallets (wallet_address);
create table wallets.dirty_editions (edition_id integer not null);
-- a holding, a moment, as it was before a change; of several of one, the first is how the read models know it
create table wallets.changed_holdings (
  id bigint generated always as identity,
  nft_id bigint not null,
  wallet_address bytea,
  is_locked boolean not null
);
create table wallets.changed_moments (
  id bigint generated always as identity,
  nft_id bigint not null,
  edition_id integer
);
create table wallets.new_sales (
  nft_id bigint not null,
  price_usd numeric not null,
  purchased_at timestamptz not null
);

-- How a wallet and an edition are named in entities and answers.
create function wallets.wallet_name(address bytea) returns text language sql immutable parallel safe
return '0x' || encode(address, 'hex');
create function wallets.edition_name(set_id integer, play_id integer) returns text language sql immutable parallel safe
return set_id || '-' || play_id;

-- Down Migration
drop schema wallets cascade;
