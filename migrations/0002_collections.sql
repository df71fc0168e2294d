-- Up Migration
create schema collections;

create table collections.collections (
  id integer generated always as identity primary key,
  address bytea unique check (length(address) = 20),
  -- names a collection that has no contract address we know: one known by lists of its holders
  slug text unique,
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
  token_count integer not null default 0,
  holder_count integer not null default 0,
  -- every transfer up to this block is known
  transfers_block bigint,
  refreshed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (address is not null or slug is not null)
);
create index collections_by_name on collections.collections (name, id);

create table collections.collection_traits (
  id integer generated always as identity primary key,
  collection_id integer not null references collections.collections on delete cascade,
  trait_type text not null,
  trait_value text not null,
  token_count integer not null default 0,
  unique (collection_id, trait_type, trait_value)
);

create table collections.nfts (
  id bigint generated always as identity primary key,
  collection_id integer not null references collections.collections on delete cascade,
  token_id numeric(78, 0) not null check (token_id >= 0),
  name text,
  description text,
  image_url text,
  token_uri text,
  attributes jsonb,
  trait_ids integer[] not null default '{}',
  -- the owners were read from upstream as of this block
  owners_block bigint,
  updated_at timestamptz not null default now(),
  unique (collection_id, token_id)
);
create index nfts_by_traits on collections.nfts using gin (trait_ids);

create table collections.transfers (
  id bigint generated always as identity primary key,
  nft_id bigint not null references collections.nfts on delete cascade,
  block_number bigint not null,
  -- -1: the source does not say; such a row and one that does are the same transfer
  log_index integer not null default -1,
  batch_index smallint not null default 0,
  transaction_hash bytea not null check (length(transaction_hash) = 32),
  from_address bytea not null check (length(from_address) = 20),
  to_address bytea not null check (length(to_address) = 20),
  amount numeric(78, 0) not null default 1 check (amount > 0),
  price_eth numeric,
  price_usd numeric,
  block_timestamp timestamptz,
  unique (transaction_hash, nft_id, log_index, batch_index, from_address)
);
create index transfers_by_position on collections.transfers (nft_id, block_number, log_index, batch_index, id);

create table collections.nft_ownership (
  nft_id bigint not null references collections.nfts on delete cascade,
  owner bytea not null check (length(owner) = 20),
  amount numeric(78, 0) not null default 1 check (amount >= 0),
  -- what upstream said at nfts.owners_block; what came later is added from the transfers
  verified_amount numeric(78, 0) not null default 0,
  -- a token of ERC-721 has one owner
  exclusive boolean not null,
  acquired_at timestamptz,
  last_verified_at timestamptz,
  primary key (nft_id, owner)
);
create unique index nft_ownership_one_owner on collections.nft_ownership (nft_id) where exclusive;
create index nft_ownership_by_owner on collections.nft_ownership (owner, nft_id);
create index nft_ownership_by_age on collections.nft_ownership (last_verified_at nulls first);

create table collections.user_collections (
  user_address bytea not null check (length(user_address) = 20),
  collection_id integer not null references collections.collections on delete cascade,
  token_count integer not null check (token_count > 0),
  amount numeric(78, 0) not null,
  last_owned_at timestamptz not null,
  primary key (user_address, collection_id)
);
create index user_collections_by_size on collections.user_collections (collection_id, token_count desc, user_address);

create view collections.wallet_collection_mapping as
  select u.user_address as wallet_address, c.address as collection_address, u.token_count, u.last_owned_at
  from collections.user_collections u join collections.collections c on c.id = u.collection_id;

create table collections.holder_snapshots (
  collection_id integer not null references collections.collections on delete cascade,
  snapshot_at timestamptz not null,
  owner bytea not null check (length(owner) = 20),
  token_count integer not null check (token_count > 0),
  primary key (collection_id, snapshot_at, owner)
);

create table collections.fc_users (
  fid bigint primary key check (fid > 0),
  username text,
  username_seen_at timestamptz,
  display_name text,
  image_url text,
  refreshed_at timestamptz,
  updated_at timestamptz not null default now()
);

create table collections.fc_user_wallets (
  fid bigint not null references collections.fc_users on delete cascade,
  wallet bytea not null check (length(wallet) = 20),
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  primary key (fid, wallet)
);
create index fc_user_wallets_by_wallet on collections.fc_user_wallets (wallet);

-- How a collection is named in entities and answers.
create function collections.name_of(address bytea, slug text) returns text language sql immutable parallel safe as
  $$ select coalesce('0x' || encode(address, 'hex'), slug) $$;

-- Collections: metadata hides the collection's own views; a new name or image, the lists of those who hold it as well.
create function collections.announce_collections() returns trigger language plpgsql as $$
declare changed record;
begin
  for changed in
    select coalesce(n.id, o.id) as id,
      collections.name_of(coalesce(n.address, o.address), coalesce(n.slug, o.slug)) as name,
      o.id is not null and n.id is not null
        and (n.name, n.image_url) is distinct from (o.name, o.image_url) as looks_different
    from old_rows o full join new_rows n on n.id = o.id
    where (n.address, n.slug, n.name, n.symbol, n.token_type, n.description, n.image_url, n.external_url, n.total_supply,
           n.floor_price_eth, n.deployer, n.deployed_block, n.completeness)
      is distinct from (o.address, o.slug, o.name, o.symbol, o.token_type, o.description, o.image_url, o.external_url,
           o.total_supply, o.floor_price_eth, o.deployer, o.deployed_block, o.completeness)
      or n.refreshed_at is distinct from o.refreshed_at
  loop
    perform platform.announce('collection_updated', array['collections:' || changed.name],
      jsonb_build_object('collection', changed.name));
    if changed.looks_different then
      perform platform.announce('collection_updated',
        (select array_agg(entity) from collections.user_collections u,
           lateral collections.entities_of_wallet(u.user_address) as entity where u.collection_id = changed.id),
        jsonb_build_object('collection', changed.name));
    end if;
  end loop;
  return null;
end $$;

create function collections.announce_new_collections() returns trigger language plpgsql as $$
declare name text;
begin
  for name in select collections.name_of(n.address, n.slug) from new_rows n loop
    perform platform.announce('collection_updated', array['collections:' || name], jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

-- What is cached of a wallet: its own lists, and those of the Farcaster users it is verified for.
create function collections.entities_of_wallet(wallet_address bytea) returns setof text language sql stable as $$
  select 'wallets:0x' || encode(wallet_address, 'hex')
  union all
  select 'users:' || w.fid from collections.fc_user_wallets w where w.wallet = wallet_address
$$;

create trigger collections_inserted after insert on collections.collections
  referencing new table as new_rows for each statement execute function collections.announce_new_collections();
create trigger collections_updated after update on collections.collections
  referencing old table as old_rows new table as new_rows for each statement execute function collections.announce_collections();

-- Tokens: keeps the counts of traits and tokens, and hides what shows them.
create type collections.nft_change as (collection_id integer, token_id numeric, tokens integer, added integer[], removed integer[]);

create function collections.apply_nft_changes(changes collections.nft_change[]) returns void language plpgsql as $$
declare changed record;
begin
  update collections.collection_traits t set token_count = t.token_count + d.tokens
  from (
    select trait_id, sum(weight)::integer as tokens
    from unnest(changes) as c,
      lateral (select unnest(c.added) as trait_id, 1 as weight union all select unnest(c.removed), -1) as w
    group by trait_id having sum(weight) <> 0
  ) as d
  where t.id = d.trait_id;

  update collections.collections c set token_count = c.token_count + d.tokens
  from (select collection_id, sum(tokens)::integer as tokens from unnest(changes) group by collection_id having sum(tokens) <> 0) as d
  where c.id = d.collection_id;

  for changed in
    select collections.name_of(c.address, c.slug) as name,
      array_agg('nfts:' || collections.name_of(c.address, c.slug) || ':' || d.token_id) as tokens
    from unnest(changes) as d join collections.collections c on c.id = d.collection_id
    group by c.id
  loop
    perform platform.announce('collection_updated', array['collection-nfts:' || changed.name] || changed.tokens,
      jsonb_build_object('collection', changed.name));
  end loop;
end $$;

create function collections.on_nfts_inserted() returns trigger language plpgsql as $$
begin
  perform collections.apply_nft_changes(
    (select array_agg((n.collection_id, n.token_id, 1, n.trait_ids, '{}'::integer[])::collections.nft_change) from new_rows n));
  return null;
end $$;

create function collections.on_nfts_updated() returns trigger language plpgsql as $$
begin
  perform collections.apply_nft_changes(
    (select array_agg((n.collection_id, n.token_id, 0, n.trait_ids, o.trait_ids)::collections.nft_change)
     from new_rows n join old_rows o using (id)
     where (n.name, n.description, n.image_url, n.token_uri, n.attributes, n.trait_ids)
       is distinct from (o.name, o.description, o.image_url, o.token_uri, o.attributes, o.trait_ids)));
  return null;
end $$;

create function collections.on_nfts_deleted() returns trigger language plpgsql as $$
begin
  perform collections.apply_nft_changes(
    (select array_agg((o.collection_id, o.token_id, -1, '{}'::integer[], o.trait_ids)::collections.nft_change) from old_rows o));
  return null;
end $$;

create trigger nfts_inserted after insert on collections.nfts
  referencing new table as new_rows for each statement execute function collections.on_nfts_inserted();
create trigger nfts_updated after update on collections.nfts
  referencing old table as old_rows new table as new_rows for each statement execute function collections.on_nfts_updated();
create trigger nfts_deleted after delete on collections.nfts
  referencing old table as old_rows for each statement execute function collections.on_nfts_deleted();

-- Transfers: hide the history of their tokens.
create function collections.announce_transfers(nft_ids bigint[]) returns void language plpgsql as $$
declare changed record;
begin
  for changed in
    select collections.name_of(c.address, c.slug) as name, count(*) as transfers,
      array_agg('nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as tokens
    from unnest(nft_ids) as moved join collections.nfts n on n.id = moved
      join collections.collections c on c.id = n.collection_id
    group by c.id
  loop
    perform platform.announce('nft_transferred', changed.tokens,
      jsonb_build_object('collection', changed.name, 'transfers', changed.transfers));
  end loop;
end $$;

create function collections.on_transfers_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform collections.announce_transfers((select array_agg(nft_id) from old_rows));
  else
    perform collections.announce_transfers((select array_agg(nft_id) from new_rows));
  end if;
  return null;
end $$;

create trigger transfers_inserted after insert on collections.transfers
  referencing new table as new_rows for each statement execute function collections.on_transfers_changed();
create trigger transfers_updated after update on collections.transfers
  referencing new table as new_rows for each statement execute function collections.on_transfers_changed();
create trigger transfers_deleted after delete on collections.transfers
  referencing old table as old_rows for each statement execute function collections.on_transfers_changed();

-- Ownership: acquisition, disposal and transfer keep user_collections, and hide what shows the owners.
create type collections.ownership_change as (nft_id bigint, owner bytea, tokens integer, amount numeric, acquired_at timestamptz);

create function collections.apply_ownership_changes(changes collections.ownership_change[]) returns void language plpgsql as $$
declare changed record;
begin
  with delta as (
    select n.collection_id, d.owner, sum(d.tokens)::integer as tokens, sum(d.amount) as amount,
      max(d.acquired_at) filter (where d.tokens > 0) as acquired_at
    from unnest(changes) as d join collections.nfts n on n.id = d.nft_id
    group by n.collection_id, d.owner
    having sum(d.tokens) <> 0 or sum(d.amount) <> 0
  ), gone as (
    delete from collections.user_collections u using delta d
    where u.collection_id = d.collection_id and u.user_address = d.owner and u.token_count + d.tokens <= 0
    returning u.collection_id
  ), changed as (
    update collections.user_collections u set token_count = u.token_count + d.tokens, amount = u.amount + d.amount,
      last_owned_at = greatest(u.last_owned_at, d.acquired_at)
    from delta d
    where u.collection_id = d.collection_id and u.user_address = d.owner and u.token_count + d.tokens > 0
  ), added as (
    -- whoever changes owners holds the collection's row, so nobody else adds the same
    insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
    select d.owner, d.collection_id, d.tokens, d.amount, coalesce(d.acquired_at, now())
    from delta d
    where d.tokens > 0 and not exists (
      select 1 from collections.user_collections e where e.collection_id = d.collection_id and e.user_address = d.owner)
    order by d.owner, d.collection_id
    returning collection_id
  )
  update collections.collections c set holder_count = c.holder_count + d.holders
  from (
    select collection_id, sum(weight)::integer as holders
    from (select collection_id, 1 as weight from added union all select collection_id, -1 from gone) as w
    group by collection_id
  ) as d
  where c.id = d.collection_id and d.holders <> 0;

  for changed in
    select collections.name_of(c.address, c.slug) as name,
      array_agg('nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as tokens
    from unnest(changes) as d join collections.nfts n on n.id = d.nft_id
      join collections.collections c on c.id = n.collection_id
    group by c.id
  loop
    perform platform.announce('ownership_changed', array['collection-owners:' || changed.name] || changed.tokens,
      jsonb_build_object('collection', changed.name));
  end loop;
end $$;

create function collections.on_ownership_inserted() returns trigger language plpgsql as $$
begin
  perform collections.apply_ownership_changes(
    (select array_agg((n.nft_id, n.owner, (n.amount > 0)::integer, n.amount, n.acquired_at)::collections.ownership_change)
     from new_rows n));
  return null;
end $$;

create function collections.on_ownership_updated() returns trigger language plpgsql as $$
begin
  perform collections.apply_ownership_changes(
    (select array_agg((n.nft_id, n.owner, (n.amount > 0)::integer - (o.amount > 0)::integer, n.amount - o.amount,
       n.acquired_at)::collections.ownership_change)
     from new_rows n join old_rows o using (nft_id, owner)
     where (n.amount, n.acquired_at, n.last_verified_at) is distinct from (o.amount, o.acquired_at, o.last_verified_at)));
  return null;
end $$;

create function collections.on_ownership_deleted() returns trigger language plpgsql as $$
begin
  perform collections.apply_ownership_changes(
    (select array_agg((o.nft_id, o.owner, -(o.amount > 0)::integer, -o.amount, null)::collections.ownership_change)
     from old_rows o));
  return null;
end $$;

create trigger nft_ownership_inserted after insert on collections.nft_ownership
  referencing new table as new_rows for each statement execute function collections.on_ownership_inserted();
create trigger nft_ownership_updated after update on collections.nft_ownership
  referencing old table as old_rows new table as new_rows for each statement execute function collections.on_ownership_updated();
create trigger nft_ownership_deleted after delete on collections.nft_ownership
  referencing old table as old_rows for each statement execute function collections.on_ownership_deleted();

-- Holdings by wallet: hide the wallet's lists, its users' lists and the collection's holders.
create function collections.announce_holdings() returns trigger language plpgsql as $$
declare changed record;
begin
  for changed in
    select collections.name_of(c.address, c.slug) as name, array_agg(entity) as entities
    from (select user_address, collection_id from changed_rows) as r
      join collections.collections c on c.id = r.collection_id,
      lateral collections.entities_of_wallet(r.user_address) as entity
    group by c.id
  loop
    perform platform.announce('ownership_changed', array['collection-owners:' || changed.name] || changed.entities,
      jsonb_build_object('collection', changed.name));
  end loop;
  return null;
end $$;

create trigger user_collections_inserted after insert on collections.user_collections
  referencing new table as changed_rows for each statement execute function collections.announce_holdings();
create trigger user_collections_updated after update on collections.user_collections
  referencing new table as changed_rows for each statement execute function collections.announce_holdings();
create trigger user_collections_deleted after delete on collections.user_collections
  referencing old table as changed_rows for each statement execute function collections.announce_holdings();

create function collections.announce_snapshots() returns trigger language plpgsql as $$
declare name text;
begin
  for name in
    select distinct collections.name_of(c.address, c.slug)
    from changed_rows r join collections.collections c on c.id = r.collection_id
  loop
    perform platform.announce('ownership_changed', array['collection-owners:' || name], jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

create trigger holder_snapshots_inserted after insert on collections.holder_snapshots
  referencing new table as changed_rows for each statement execute function collections.announce_snapshots();
create trigger holder_snapshots_updated after update on collections.holder_snapshots
  referencing new table as changed_rows for each statement execute function collections.announce_snapshots();

-- Farcaster users.
create function collections.announce_users() returns trigger language plpgsql as $$
begin
  perform platform.announce('user_updated', (select array_agg('users:' || fid) from changed_rows));
  return null;
end $$;

create trigger fc_users_inserted after insert on collections.fc_users
  referencing new table as changed_rows for each statement execute function collections.announce_users();
create trigger fc_users_updated after update on collections.fc_users
  referencing new table as changed_rows for each statement execute function collections.announce_users();
create trigger fc_user_wallets_inserted after insert on collections.fc_user_wallets
  referencing new table as changed_rows for each statement execute function collections.announce_users();
create trigger fc_user_wallets_updated after update on collections.fc_user_wallets
  referencing new table as changed_rows for each statement execute function collections.announce_users();
create trigger fc_user_wallets_deleted after delete on collections.fc_user_wallets
  referencing old table as changed_rows for each statement execute function collections.announce_users();

-- Down Migration
drop schema collections cascade;
