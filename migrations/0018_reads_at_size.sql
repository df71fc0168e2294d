-- Up Migration
-- Indexes whose keys are the sort keys of lists, column by column, so that a page is a range of an index.

-- The directory of collections. A name may be longer than an index row.
create index collections_by_name on collections.collections (left(coalesce(name, ''), 100), id);
create index collections_by_holders on collections.collections (holder_count, id);
create index collections_by_tokens on collections.collections (token_count, id);
create index collections_by_refresh on collections.collections (coalesce(refreshed_at, '-infinity'), id);

-- Holders are listed by both columns descending: the former indexes had the address ascending.
create index user_collections_by_tokens on collections.user_collections (collection_id, token_count, user_address);
create index snapshot_holders_by_tokens on collections.snapshot_holders (snapshot_id, token_count, owner);
drop index collections.user_collections_by_size;
drop index collections.snapshot_holders_by_size;

-- The names that begin with a text, for a search that finds too many to compare. A name may be longer than an index row.
create index wallet_profiles_by_beginning on wallets.wallet_profiles (left(lower(display_name), 100) collate "C");

-- The number of tokens that a collection's holders hold together, which lists of holders show: the sum of token_count.
alter table collections.collections add column held_count bigint not null default 0;

create or replace function collections.on_holdings() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
begin
  execute format($sql$
    update collections.collections c set holder_count = c.holder_count + d.holders, held_count = c.held_count + d.tokens
    from (
      select collection_id, sum(sign) as holders, sum(sign * token_count) as tokens from (%s) as change
      group by collection_id having sum(sign) <> 0 or sum(sign * token_count) <> 0
    ) d
    where c.id = d.collection_id $sql$, changes);
  return null;
end $$;
select platform.watch('collections.user_collections', 'collections.on_holdings', events => '{update}', prefix => 'derive');

create or replace function collections.announce_collections() returns trigger language plpgsql as $$
declare
  changed record;
  new_source text := case tg_op when 'DELETE' then 'select * from collections.collections where false' else 'table new_rows' end;
  old_source text := case tg_op when 'INSERT' then 'select * from collections.collections where false' else 'table old_rows' end;
  counted_elsewhere boolean := pg_trigger_depth() > 1;
begin
  for changed in execute format($sql$
    select coalesce(n.id, o.id) as id, collections.name_of(n.address, n.slug) as name,
      collections.name_of(o.address, o.slug) as old_name,
      n.id = o.id and (n.name, n.image_url, n.address, n.slug)
        is distinct from (o.name, o.image_url, o.address, o.slug) as looks_different,
      (n.address, n.slug, n.name, n.symbol, n.token_type, n.description, n.image_url, n.external_url, n.total_supply,
          n.floor_price_eth, n.deployer, n.deployed_block, n.completeness, n.refreshed_at)
        is distinct from (o.address, o.slug, o.name, o.symbol, o.token_type, o.description, o.image_url, o.external_url,
          o.total_supply, o.floor_price_eth, o.deployer, o.deployed_block, o.completeness, o.refreshed_at) as described,
      not $1 and n.token_count <> o.token_count as tokens_counted,
      not $1 and (n.holder_count, n.held_count, n.holdings_from) <> (o.holder_count, o.held_count, o.holdings_from) as holders_counted
    from (%s) n full join (%s) o on o.id = n.id
    order by 1 $sql$, new_source, old_source) using counted_elsewhere
  loop
    if changed.described or changed.tokens_counted or changed.holders_counted then
      perform platform.announce('collection_updated',
        case when changed.described then array['collections:' || changed.name, 'collections:' || changed.old_name] end
        || case when changed.tokens_counted then 'collection-nfts:' || changed.name end
        || case when changed.holders_counted then 'collection-owners:' || changed.name end);
    end if;
    if changed.looks_different then
      perform collections.lock_user_wallets(false);
      perform platform.announce('collection_updated', collections.entities_of_wallets(
        (select array_agg(user_address) from collections.user_collections where collection_id = changed.id)));
    end if;
  end loop;
  return null;
end $$;

update collections.collections c set held_count = d.tokens
from (select collection_id, sum(token_count) as tokens from collections.user_collections group by collection_id) d
where c.id = d.collection_id;

-- The moments of wallets that hold too many to sort for each page, once more, with what lists sort and filter by. Only
-- these: the indexes cost more than those of all holdings together (docs/decisions/0025-lists-of-large-wallets.md).
create table wallets.large_wallets (
  wallet_address bytea primary key check (length(wallet_address) = 8),
  -- the moments up to this one have been copied
  copied_to bigint not null default -1,
  -- all have been: lists read the copy
  is_complete boolean not null default false
);
create table wallets.large_wallet_holdings (
  wallet_address bytea not null,
  is_locked boolean not null,
  nft_id bigint not null,
  -- 0: unknown
  edition_id integer not null,
  -- the largest integer: unknown
  serial_number integer not null,
  last_event_ts timestamptz not null,
  primary key (wallet_address, is_locked, nft_id)
);
create index large_wallet_holdings_by_acquired
  on wallets.large_wallet_holdings (wallet_address, is_locked, last_event_ts, nft_id);
create index large_wallet_holdings_by_serial
  on wallets.large_wallet_holdings (wallet_address, is_locked, serial_number, nft_id);
create index large_wallet_holdings_by_edition
  on wallets.large_wallet_holdings (wallet_address, edition_id, is_locked, nft_id);
create index large_wallet_holdings_by_edition_acquired
  on wallets.large_wallet_holdings (wallet_address, edition_id, is_locked, last_event_ts, nft_id);
create index large_wallet_holdings_by_edition_serial
  on wallets.large_wallet_holdings (wallet_address, edition_id, is_locked, serial_number, nft_id);

-- Blocks every other writer of holdings until the transaction ends.
create function wallets.lock_holdings() returns void language sql as $$
  select pg_advisory_xact_lock(hashtextextended('wallets.wallet_holdings', 0))
$$;

-- Triggers keep the copies of all wallets in large_wallets; the job wallets.copyLargeWallets makes them complete.
create function wallets.copy_large_holdings() returns trigger language plpgsql as $$
begin
  if not exists (select 1 from wallets.large_wallets) then return null; end if;
  if tg_op <> 'INSERT' then
    delete from wallets.large_wallet_holdings l using old_rows o
    where l.wallet_address = o.wallet_address and l.is_locked = o.is_locked and l.nft_id = o.nft_id
      and o.wallet_address in (select wallet_address from wallets.large_wallets);
  end if;
  if tg_op <> 'DELETE' then
    insert into wallets.large_wallet_holdings
    select n.wallet_address, n.is_locked, n.nft_id, coalesce(m.edition_id, 0), coalesce(m.serial_number, 2147483647), n.last_event_ts
    from new_rows n left join lateral (
      -- limited, so that it is looked up: few rows are of large wallets, which the planner cannot know
      select * from wallets.nft_core_metadata m where m.nft_id = n.nft_id limit 1) as m on true
    where n.wallet_address in (select wallet_address from wallets.large_wallets);
  end if;
  return null;
end $$;

-- The lock comes first: a writer of holdings reads moments, and one of the two must see the other's rows.
create function wallets.copy_large_moments() returns trigger language plpgsql as $$
begin
  perform wallets.lock_holdings();
  if not exists (select 1 from wallets.large_wallets) then return null; end if;
  update wallets.large_wallet_holdings l
  set edition_id = coalesce(m.edition_id, 0), serial_number = coalesce(m.serial_number, 2147483647)
  from changed_rows c
    cross join lateral (select * from wallets.wallet_holdings h where h.nft_id = c.nft_id limit 1) as h
    left join wallets.nft_core_metadata m on m.nft_id = c.nft_id
  where h.wallet_address in (select wallet_address from wallets.large_wallets)
    and l.wallet_address = h.wallet_address and l.is_locked = h.is_locked and l.nft_id = c.nft_id
    and (l.edition_id, l.serial_number) is distinct from (coalesce(m.edition_id, 0), coalesce(m.serial_number, 2147483647));
  return null;
end $$;

select platform.watch('wallets.wallet_holdings', 'wallets.copy_large_holdings', prefix => 'copy');
select platform.watch('wallets.nft_core_metadata', 'wallets.copy_large_moments', rows_as => 'changed_rows', prefix => 'copy');

-- Down Migration
create or replace function collections.announce_collections() returns trigger language plpgsql as $$
declare
  changed record;
  new_source text := case tg_op when 'DELETE' then 'select * from collections.collections where false' else 'table new_rows' end;
  old_source text := case tg_op when 'INSERT' then 'select * from collections.collections where false' else 'table old_rows' end;
  counted_elsewhere boolean := pg_trigger_depth() > 1;
begin
  for changed in execute format($sql$
    select coalesce(n.id, o.id) as id, collections.name_of(n.address, n.slug) as name,
      collections.name_of(o.address, o.slug) as old_name,
      n.id = o.id and (n.name, n.image_url, n.address, n.slug)
        is distinct from (o.name, o.image_url, o.address, o.slug) as looks_different,
      (n.address, n.slug, n.name, n.symbol, n.token_type, n.description, n.image_url, n.external_url, n.total_supply,
          n.floor_price_eth, n.deployer, n.deployed_block, n.completeness, n.refreshed_at)
        is distinct from (o.address, o.slug, o.name, o.symbol, o.token_type, o.description, o.image_url, o.external_url,
          o.total_supply, o.floor_price_eth, o.deployer, o.deployed_block, o.completeness, o.refreshed_at) as described,
      not $1 and n.token_count <> o.token_count as tokens_counted,
      not $1 and (n.holder_count, n.holdings_from) <> (o.holder_count, o.holdings_from) as holders_counted
    from (%s) n full join (%s) o on o.id = n.id
    order by 1 $sql$, new_source, old_source) using counted_elsewhere
  loop
    if changed.described or changed.tokens_counted or changed.holders_counted then
      perform platform.announce('collection_updated',
        case when changed.described then array['collections:' || changed.name, 'collections:' || changed.old_name] end
        || case when changed.tokens_counted then 'collection-nfts:' || changed.name end
        || case when changed.holders_counted then 'collection-owners:' || changed.name end);
    end if;
    if changed.looks_different then
      perform collections.lock_user_wallets(false);
      perform platform.announce('collection_updated', collections.entities_of_wallets(
        (select array_agg(user_address) from collections.user_collections where collection_id = changed.id)));
    end if;
  end loop;
  return null;
end $$;
drop trigger derive_updated on collections.user_collections;
create or replace function collections.on_holdings() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update collections.collections c set holder_count = c.holder_count + d.holders
    from (select collection_id, count(*) as holders from new_rows group by collection_id) d where c.id = d.collection_id;
  else
    update collections.collections c set holder_count = c.holder_count - d.holders
    from (select collection_id, count(*) as holders from old_rows group by collection_id) d where c.id = d.collection_id;
  end if;
  return null;
end $$;
alter table collections.collections drop column held_count;
drop function wallets.copy_large_holdings, wallets.copy_large_moments cascade;
drop function wallets.lock_holdings;
drop table wallets.large_wallet_holdings, wallets.large_wallets;
drop index wallets.wallet_profiles_by_beginning;
drop index collections.collections_by_name;
drop index collections.collections_by_holders;
drop index collections.collections_by_tokens;
drop index collections.collections_by_refresh;
drop index collections.user_collections_by_tokens;
drop index collections.snapshot_holders_by_tokens;
create index user_collections_by_size on collections.user_collections (collection_id, token_count desc, user_address);
create index snapshot_holders_by_size on collections.snapshot_holders (snapshot_id, token_count desc, owner);
