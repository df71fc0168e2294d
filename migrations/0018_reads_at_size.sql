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

-- The moments of wallets that hold too many to sort for each page, once more, with what lists sort and filter by. Only
-- these: the indexes cost more than those of all holdings together (docs/decisions/0025-lists-of-large-wallets.md).
create table wallets.large_wallets (
  wallet_address bytea primary key check (length(wallet_address) = 8)
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

-- Blocks every other writer of holdings until the transaction ends: the same lock as in record-holdings.ts.
create function wallets.lock_holdings() returns void language sql as $$
  select pg_advisory_xact_lock(hashtextextended('wallets.wallet_holdings', 0))
$$;

-- Copies the holdings of a wallet that becomes large, and deletes the copy of one that is large no more.
create function wallets.copy_large_wallets() returns trigger language plpgsql as $$
begin
  perform wallets.lock_holdings();
  if tg_op = 'INSERT' then
    insert into wallets.large_wallet_holdings
    select h.wallet_address, h.is_locked, h.nft_id, coalesce(m.edition_id, 0), coalesce(m.serial_number, 2147483647), h.last_event_ts
    from changed_rows w
      join wallets.wallet_holdings h on h.wallet_address = w.wallet_address
      left join wallets.nft_core_metadata m on m.nft_id = h.nft_id;
  else
    delete from wallets.large_wallet_holdings l using changed_rows w where l.wallet_address = w.wallet_address;
  end if;
  return null;
end $$;

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
    from new_rows n left join wallets.nft_core_metadata m on m.nft_id = n.nft_id
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
    join wallets.wallet_holdings h on h.nft_id = c.nft_id
    left join wallets.nft_core_metadata m on m.nft_id = c.nft_id
  where l.wallet_address = h.wallet_address and l.is_locked = h.is_locked and l.nft_id = c.nft_id
    and (l.edition_id, l.serial_number) is distinct from (coalesce(m.edition_id, 0), coalesce(m.serial_number, 2147483647));
  return null;
end $$;

select platform.watch('wallets.large_wallets', 'wallets.copy_large_wallets', key => '{wallet_address}',
  events => '{insert,delete}', rows_as => 'changed_rows', prefix => 'copy');
select platform.watch('wallets.wallet_holdings', 'wallets.copy_large_holdings', prefix => 'copy');
select platform.watch('wallets.nft_core_metadata', 'wallets.copy_large_moments', rows_as => 'changed_rows', prefix => 'copy');

-- Down Migration
drop function wallets.copy_large_wallets, wallets.copy_large_holdings, wallets.copy_large_moments cascade;
drop function wallets.lock_holdings;
drop table wallets.large_wallet_holdings, wallets.large_wallets;
drop index collections.collections_by_name;
drop index collections.collections_by_holders;
drop index collections.collections_by_tokens;
drop index collections.collections_by_refresh;
drop index collections.user_collections_by_tokens;
drop index collections.snapshot_holders_by_tokens;
create index user_collections_by_size on collections.user_collections (collection_id, token_count desc, user_address);
create index snapshot_holders_by_size on collections.snapshot_holders (snapshot_id, token_count desc, owner);
