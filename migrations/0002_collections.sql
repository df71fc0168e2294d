-- Up Migration
-- The tables of the collections room. Large tables have integer keys and addresses are bytea: the seeds' text and uuid
-- keys take four times the space (docs/decisions/0011-lean-ownership.md). What keeps them consistent is in 0003, what
-- announces their changes in 0004.
create schema collections;

create table collections.collections (
  id integer generated always as identity primary key,
  address bytea unique check (length(address) = 20),
  -- names a collection whose contract we do not know: one known by lists of its holders
  slug text unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$' and slug !~ '^0x'),
  name text,
  symbol text,
  token_type text not null default 'UNKNOWN' check (token_type in ('ERC721', 'ERC1155', 'UNKNOWN')),
  description text,
  image_url text,
  external_url text,
  total_supply numeric,
  floor_price_eth numeric,
  deployer bytea check (length(deployer) = 20),
  deployed_block bigint,
  completeness text not null default 'metadata' check (completeness in ('metadata', 'complete')),
  -- what user_collections is derived from: owners of single tokens, or lists of holders without token ids
  holdings_from text not null default 'tokens' check (holdings_from in ('tokens', 'lists')),
  token_count integer not null default 0,
  holder_count integer not null default 0,
  -- every transfer up to this block is known
  transfers_block bigint,
  -- all owners were read from upstream as of this block: transfers up to it do not count for ownership
  owners_block bigint,
  owners_verified_at timestamptz,
  refreshed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (address is not null or slug is not null)
);
create index collections_by_verification on collections.collections (owners_verified_at nulls first);

create table collections.collection_traits (
  id integer generated always as identity primary key,
  collection_id integer not null references collections.collections,
  trait_type text not null check (length(trait_type) <= 100),
  trait_value text not null check (length(trait_value) <= 500),
  token_count integer not null default 0 check (token_count >= 0),
  unique (collection_id, trait_type, trait_value)
);

create table collections.nfts (
  id bigint generated always as identity primary key,
  collection_id integer not null references collections.collections,
  token_id numeric(78, 0) not null check (token_id >= 0),
  name text,
  description text,
  image_url text,
  token_uri text,
  attributes jsonb,
  -- sorted
  trait_ids integer[] not null default '{}',
  updated_at timestamptz not null default now(),
  unique (collection_id, token_id)
);
create index nfts_by_traits on collections.nfts using gin (trait_ids);
create index nfts_by_age on collections.nfts (collection_id, updated_at desc);

create table collections.transfers (
  -- rises in the order of arrival: breaks ties between transfers of one block whose log index is not known
  id bigint generated always as identity primary key,
  nft_id bigint not null references collections.nfts,
  block_number bigint not null,
  transaction_hash bytea not null check (length(transaction_hash) = 32),
  -- -1: the source does not say, as files do not; a row that says it later is the same transfer
  log_index integer not null default -1,
  batch_index smallint not null default 0,
  from_address bytea not null check (length(from_address) = 20),
  to_address bytea not null check (length(to_address) = 20),
  amount numeric(78, 0) not null default 1 check (amount > 0),
  price_eth numeric,
  price_usd numeric,
  block_timestamp timestamptz,
  -- of webhooks only: the block as it was reported, and when, so that reports may come in any order
  block_hash bytea check (length(block_hash) = 32),
  reported_at timestamptz
);
create unique index transfers_by_log on collections.transfers (transaction_hash, log_index, batch_index, nft_id)
  where log_index >= 0;
create unique index transfers_without_log
  on collections.transfers (transaction_hash, nft_id, from_address, to_address, amount) where log_index < 0;
create index transfers_by_position on collections.transfers (nft_id, block_number, log_index, batch_index, id);

-- Logs that a reorg took back. A report of the same log that is older than its removal comes to nothing.
create table collections.transfer_removals (
  transaction_hash bytea not null check (length(transaction_hash) = 32),
  log_index integer not null,
  block_hash bytea not null check (length(block_hash) = 32),
  removed_at timestamptz not null,
  primary key (transaction_hash, log_index, block_hash)
);

create table collections.nft_ownership (
  nft_id bigint not null references collections.nfts,
  owner bytea not null check (length(owner) = 20),
  -- ERC-721: 1, or 0 for a token that is burnt. ERC-1155: may be below 0 until the transfer that came first arrives.
  amount numeric(78, 0) not null,
  -- an ERC-721 token has one row, and so one owner
  exclusive boolean not null,
  acquired_at timestamptz,
  -- upstream gave the owner as of this block; what came later is added from the transfers
  verified_block bigint,
  -- ERC-721: whom upstream gave, where a later transfer has made another the owner
  verified_owner bytea check (length(verified_owner) = 20),
  last_verified_at timestamptz,
  primary key (nft_id, owner),
  check (owner <> '\x0000000000000000000000000000000000000000' or amount = 0),
  check (not exclusive or amount in (0, 1))
);
create unique index nft_ownership_one_owner on collections.nft_ownership (nft_id) where exclusive;
create index nft_ownership_by_owner on collections.nft_ownership (owner, nft_id) where amount > 0;

create table collections.user_collections (
  user_address bytea not null check (length(user_address) = 20),
  collection_id integer not null references collections.collections,
  token_count integer not null check (token_count > 0),
  amount numeric(78, 0) not null check (amount > 0),
  last_owned_at timestamptz not null,
  primary key (user_address, collection_id)
);
create index user_collections_by_size on collections.user_collections (collection_id, token_count desc, user_address);

-- The seeds' second summary by wallet: a view, as a table of its own would triple the triggers' work.
create view collections.wallet_collection_mapping as
  select u.user_address as wallet_address, c.address as collection_address, u.token_count, u.last_owned_at
  from collections.user_collections u join collections.collections c on c.id = u.collection_id;

create table collections.holder_snapshots (
  id integer generated always as identity primary key,
  collection_id integer not null references collections.collections,
  snapshot_at timestamptz not null,
  -- set when the whole list is there; until then nobody sees it
  completed_at timestamptz,
  -- the import that is bringing it
  job_id text,
  unique (collection_id, snapshot_at)
);
create index holder_snapshots_coming on collections.holder_snapshots (job_id) where job_id is not null;

create table collections.snapshot_holders (
  snapshot_id integer not null references collections.holder_snapshots,
  owner bytea not null check (length(owner) = 20),
  token_count integer not null check (token_count > 0),
  primary key (snapshot_id, owner)
);
create index snapshot_holders_by_size on collections.snapshot_holders (snapshot_id, token_count desc, owner);

create table collections.fc_users (
  fid bigint primary key check (fid > 0),
  username text,
  username_seen_at timestamptz,
  display_name text,
  image_url text,
  -- last read from upstream
  refreshed_at timestamptz,
  updated_at timestamptz not null default now()
);
create index fc_users_by_age on collections.fc_users (refreshed_at nulls first);

create table collections.fc_user_wallets (
  fid bigint not null references collections.fc_users,
  wallet bytea not null check (length(wallet) = 20),
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  primary key (fid, wallet)
);
create index fc_user_wallets_by_wallet on collections.fc_user_wallets (wallet);

-- How a collection is named in entities and answers.
create function collections.name_of(address bytea, slug text) returns text language sql immutable parallel safe
return coalesce('0x' || encode(address, 'hex'), slug);

-- Down Migration
drop schema collections cascade;
