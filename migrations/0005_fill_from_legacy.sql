-- Up Migration
-- Fills the room from the tables it takes over from, where schema `public` has them: collections, nfts (with
-- owner_address), collection_traits, fc_users, and user_nft_cache, whose `contracts` are JSONB in the shape of Alchemy's
-- getContractsForOwner. Columns are read through to_jsonb, as installations differ in which they have; rows that cannot
-- be right (no address, no whole number) are left out. Filling again changes nothing.

create function collections.legacy_address(text) returns bytea language sql immutable
return case when $1 ~ '^0x[0-9a-fA-F]{40}$' then decode(substr($1, 3), 'hex') end;

create function collections.legacy_number(text) returns numeric language sql immutable
return case when $1 ~ '^\d{1,78}$' then $1::numeric end;

-- The rows of a legacy table as JSON; none where there is no such table.
create function collections.legacy_rows(table_name text) returns setof jsonb language plpgsql as $$
begin
  if to_regclass('public.' || quote_ident(table_name)) is not null then
    return query execute format('select to_jsonb(l) from public.%I l', table_name);
  end if;
end $$;

-- What a wallet held by the legacy cache: one row a contract, of several entries of one wallet the latest.
create function collections.legacy_holdings()
returns table (wallet bytea, address bytea, token_count integer, amount numeric, seen_at timestamptz, contract jsonb)
language sql as $$
  select distinct on (1, 2)
    collections.legacy_address(l ->> 'wallet_address'),
    collections.legacy_address(coalesce(c ->> 'address', c ->> 'contractAddress')),
    coalesce(collections.legacy_number(c ->> 'numDistinctTokensOwned'), collections.legacy_number(c ->> 'totalBalance'))::integer,
    coalesce(collections.legacy_number(c ->> 'totalBalance'), collections.legacy_number(c ->> 'numDistinctTokensOwned')),
    coalesce((l ->> 'last_updated_at')::timestamptz, (l ->> 'updated_at')::timestamptz, now()),
    c
  from collections.legacy_rows('user_nft_cache') l,
    jsonb_array_elements(case when jsonb_typeof(l -> 'contracts') = 'array' then l -> 'contracts' else '[]' end) c
  where collections.legacy_address(l ->> 'wallet_address') is not null
    and collections.legacy_address(coalesce(c ->> 'address', c ->> 'contractAddress')) is not null
  order by 1, 2, 5 desc
$$;

-- Collections: what the legacy table says, then what the cached contracts say.
insert into collections.collections
  (address, name, symbol, token_type, description, image_url, external_url, total_supply, floor_price_eth, refreshed_at)
select distinct on (address) * from (
  select collections.legacy_address(coalesce(l ->> 'contract_address', l ->> 'address')) as address, l ->> 'name',
    l ->> 'symbol', case when l ->> 'token_type' in ('ERC721', 'ERC1155') then l ->> 'token_type' else 'UNKNOWN' end,
    l ->> 'description', coalesce(l ->> 'image_url', l ->> 'banner_image_url'), l ->> 'external_url',
    collections.legacy_number(l ->> 'total_supply'), (l ->> 'floor_price')::numeric,
    coalesce((l ->> 'last_refresh_at')::timestamptz, (l ->> 'updated_at')::timestamptz)
  from collections.legacy_rows('collections') l
  union all
  select h.address, h.contract ->> 'name', h.contract ->> 'symbol',
    case when h.contract ->> 'tokenType' in ('ERC721', 'ERC1155') then h.contract ->> 'tokenType' else 'UNKNOWN' end,
    h.contract #>> '{openSeaMetadata,description}',
    coalesce(h.contract #>> '{image,cachedUrl}', h.contract #>> '{openSeaMetadata,imageUrl}'), null, null, null, null
  from collections.legacy_holdings() h
) as known
where address is not null
order by address
on conflict (address) do nothing;

-- Tokens, their traits, and the owner each row names.
create temporary table legacy_nfts on commit drop as
select distinct on (c.id, token_id) c.id as collection_id, token_id, c.token_type = 'ERC1155' as shared, l.nft
from (
  select nft, collections.legacy_number(nft ->> 'token_id') as token_id,
    collections.legacy_address(coalesce(nft ->> 'contract_address', of ->> 'contract_address', of ->> 'address')) as address
  from collections.legacy_rows('nfts') nft
  left join collections.legacy_rows('collections') of on of ->> 'id' = nft ->> 'collection_id'
) l
join collections.collections c on c.address = l.address
where l.token_id is not null
order by c.id, token_id, nft ->> 'updated_at' desc nulls last;

create temporary table legacy_traits on commit drop as
select distinct l.collection_id, l.token_id, coalesce(t ->> 'trait_type', t ->> 'type') as trait_type, t ->> 'value' as trait_value
from legacy_nfts l, jsonb_array_elements(
  case when jsonb_typeof(l.nft -> 'attributes') = 'array' then l.nft -> 'attributes' else '[]' end) t
where length(coalesce(t ->> 'trait_type', t ->> 'type')) <= 100 and length(t ->> 'value') <= 500;

insert into collections.collection_traits (collection_id, trait_type, trait_value)
select distinct collection_id, trait_type, trait_value from legacy_traits
on conflict do nothing;

insert into collections.nfts (collection_id, token_id, name, description, image_url, token_uri, trait_ids)
select l.collection_id, l.token_id, coalesce(l.nft ->> 'name', l.nft ->> 'title'), l.nft ->> 'description',
  l.nft ->> 'image_url', l.nft ->> 'token_uri',
  array(
    select t.id from legacy_traits w join collections.collection_traits t using (collection_id, trait_type, trait_value)
    where w.collection_id = l.collection_id and w.token_id = l.token_id order by t.id)
from legacy_nfts l
order by l.collection_id, l.token_id
on conflict (collection_id, token_id) do nothing;

insert into collections.nft_ownership (nft_id, owner, amount, exclusive, acquired_at, last_verified_at)
select n.id, collections.legacy_address(l.nft ->> 'owner_address'), 1, not l.shared, null,
  (l.nft ->> 'last_owner_check_at')::timestamptz
from legacy_nfts l join collections.nfts n on n.collection_id = l.collection_id and n.token_id = l.token_id
where collections.legacy_address(l.nft ->> 'owner_address') <> decode(repeat('00', 20), 'hex')
  and not exists (select from collections.nft_ownership o where o.nft_id = n.id)
order by n.id;

-- What wallets held of collections whose tokens are not known one by one.
with listed as (
  select h.*, c.id from collections.legacy_holdings() h join collections.collections c on c.address = h.address
  where h.token_count > 0 and h.amount > 0 and not exists (
    select from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id where n.collection_id = c.id)
), marked as (
  update collections.collections c set holdings_from = 'lists'
  where c.id in (select id from listed) and c.holdings_from = 'tokens'
)
insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
select wallet, id, token_count, amount, seen_at from listed order by wallet, id
on conflict do nothing;

-- Farcaster users with what wallets they name.
insert into collections.fc_users (fid, username, username_seen_at, display_name, image_url, updated_at)
select distinct on (fid) fid, l ->> 'username', coalesce((l ->> 'updated_at')::timestamptz, now()), l ->> 'display_name',
  coalesce(l ->> 'pfp_url', l ->> 'image_url'), coalesce((l ->> 'updated_at')::timestamptz, now())
from (select l, collections.legacy_number(l ->> 'fid')::bigint as fid from collections.legacy_rows('fc_users') l) as named
where fid > 0
order by fid
on conflict (fid) do nothing;

insert into collections.fc_user_wallets (fid, wallet, first_seen_at, last_seen_at)
select distinct u.fid, w.wallet, u.updated_at, u.updated_at
from (
  select collections.legacy_number(l ->> 'fid') as fid, collections.legacy_address(address) as wallet
  from collections.legacy_rows('fc_users') l, jsonb_array_elements_text(
    case when jsonb_typeof(l -> 'verified_addresses') = 'array' then l -> 'verified_addresses' else '[]' end) as address
  union
  select collections.legacy_number(l ->> 'fid'), collections.legacy_address(l ->> 'wallet_address')
  from collections.legacy_rows('user_nft_cache') l
) as w
join collections.fc_users u on u.fid = w.fid
where w.wallet is not null
on conflict do nothing;

-- Down Migration
-- What was filled in cannot be told from what has been synced since and stays until 0002 is taken back; filling it in
-- again changes nothing.
drop function collections.legacy_holdings, collections.legacy_rows, collections.legacy_number, collections.legacy_address;
