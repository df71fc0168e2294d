-- Up Migration
-- The legacy cache of a wallet's contracts goes: user_collections and wallet_collection_mapping have what it held. That
-- there was one is noted on the view, so that the way down makes it again only where it was.
do $$
begin
  if to_regclass('public.user_nft_cache') is not null then
    drop table public.user_nft_cache;
    comment on view collections.wallet_collection_mapping is 'Stands for public.user_nft_cache.';
  end if;
end $$;

-- Down Migration
do $$
begin
  if obj_description('collections.wallet_collection_mapping'::regclass) is distinct from 'Stands for public.user_nft_cache.' then
    return;
  end if;
  create table public.user_nft_cache (
    id uuid primary key default gen_random_uuid(),
    fid bigint,
    wallet_address text not null unique,
    contracts jsonb not null default '[]',
    last_updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  insert into public.user_nft_cache (fid, wallet_address, contracts, last_updated_at)
  select (select min(w.fid) from collections.fc_user_wallets w where w.wallet = u.user_address),
    '0x' || encode(u.user_address, 'hex'),
    jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'address', '0x' || encode(c.address, 'hex'), 'name', c.name, 'symbol', c.symbol,
      'tokenType', nullif(c.token_type, 'UNKNOWN'), 'totalBalance', u.amount, 'numDistinctTokensOwned', u.token_count,
      'image', case when c.image_url is not null then jsonb_build_object('cachedUrl', c.image_url) end
    )) order by c.address),
    max(u.last_owned_at)
  from collections.user_collections u join collections.collections c on c.id = u.collection_id
  where c.address is not null
  group by u.user_address;
  comment on view collections.wallet_collection_mapping is null;
end $$;
