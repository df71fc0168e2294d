-- Up Migration
-- Statement-level triggers of the wallets room: each change appends to the dirty sets that the read models are kept from,
-- and announces what shows it, in the changing transaction.

-- Holders of moments. `changed_holdings` has the state before, in the order of the changes: whoever changes a moment's row
-- next waits for its lock, and so draws a later id.
create function wallets.on_holdings() returns trigger language plpgsql as $$
declare
  changed bytea[];
begin
  if tg_op = 'INSERT' then
    insert into wallets.changed_holdings (nft_id, wallet_address, is_locked) select nft_id, null, false from new_rows;
    select array_agg(distinct wallet_address) into changed from new_rows where wallet_address is not null;
  elsif tg_op = 'DELETE' then
    insert into wallets.changed_holdings (nft_id, wallet_address, is_locked) select nft_id, wallet_address, is_locked from old_rows;
    select array_agg(distinct wallet_address) into changed from old_rows where wallet_address is not null;
  else
    insert into wallets.changed_holdings (nft_id, wallet_address, is_locked)
    select o.nft_id, o.wallet_address, o.is_locked from old_rows o join new_rows n using (nft_id)
    where (o.wallet_address, o.is_locked) is distinct from (n.wallet_address, n.is_locked);
    select array_agg(distinct wallet) into changed
    from old_rows o join new_rows n using (nft_id), unnest(array[o.wallet_address, n.wallet_address]) as wallet
    where wallet is not null
      and (o.wallet_address, o.is_locked, o.last_event_ts) is distinct from (n.wallet_address, n.is_locked, n.last_event_ts);
  end if;
  if changed is null then return null; end if;
  insert into wallets.dirty_wallets select unnest(changed);
  perform platform.announce('holdings_changed',
    (select array_agg('wallets:' || wallets.wallet_name(wallet)) from unnest(changed) as wallet));
  return null;
end $$;

create trigger announce_inserted after insert on wallets.wallet_holdings
  referencing new table as new_rows for each statement execute function wallets.on_holdings();
create trigger announce_updated after update on wallets.wallet_holdings
  referencing old table as old_rows new table as new_rows for each statement execute function wallets.on_holdings();
create trigger announce_deleted after delete on wallets.wallet_holdings
  referencing old table as old_rows for each statement execute function wallets.on_holdings();

create function wallets.on_profiles() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'select n.* from new_rows n join old_rows o using (wallet_address) where n.display_name <> o.display_name' end;
  changed bytea[];
begin
  execute format('select array_agg(wallet_address) from (%s) as change', changes) into changed;
  if changed is null then return null; end if;
  insert into wallets.dirty_wallets select unnest(changed);
  perform platform.announce('wallet_profile_changed',
    'search:all'::text || (select array_agg('wallets:' || wallets.wallet_name(wallet)) from unnest(changed) as wallet));
  return null;
end $$;

create trigger announce_inserted after insert on wallets.wallet_profiles
  referencing new table as new_rows for each statement execute function wallets.on_profiles();
create trigger announce_updated after update on wallets.wallet_profiles
  referencing old table as old_rows new table as new_rows for each statement execute function wallets.on_profiles();
create trigger announce_deleted after delete on wallets.wallet_profiles
  referencing old table as old_rows for each statement execute function wallets.on_profiles();

-- Moments: what they are hardly ever changes, so everything that shows it hangs on one entity.
create function wallets.on_moments() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into wallets.changed_moments (nft_id, edition_id) select nft_id, null from new_rows;
  elsif tg_op = 'DELETE' then
    insert into wallets.changed_moments (nft_id, edition_id) select nft_id, edition_id from old_rows;
  else
    insert into wallets.changed_moments (nft_id, edition_id)
    select o.nft_id, o.edition_id from old_rows o join new_rows n using (nft_id)
    where (o.edition_id, o.serial_number) is distinct from (n.edition_id, n.serial_number);
  end if;
  if found then
    perform platform.announce('edition_updated', array['edition-catalogue:all']);
  end if;
  return null;
end $$;

create trigger announce_inserted after insert on wallets.nft_core_metadata
  referencing new table as new_rows for each statement execute function wallets.on_moments();
create trigger announce_updated after update on wallets.nft_core_metadata
  referencing old table as old_rows new table as new_rows for each statement execute function wallets.on_moments();
create trigger announce_deleted after delete on wallets.nft_core_metadata
  referencing old table as old_rows for each statement execute function wallets.on_moments();

create function wallets.on_editions() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows'
    else 'select n.* from new_rows n join old_rows o using (id) where n is distinct from o' end;
  changed integer[];
  names text[];
begin
  execute format($sql$
    select array_agg(id), array_agg('editions:' || wallets.edition_name(set_id, play_id)) from (%s) as change $sql$, changes)
  into changed, names;
  if changed is null then return null; end if;
  insert into wallets.dirty_editions select unnest(changed);
  perform platform.announce('edition_updated', 'edition-catalogue:all'::text || names);
  return null;
end $$;

create trigger announce_inserted after insert on wallets.editions
  referencing new table as new_rows for each statement execute function wallets.on_editions();
create trigger announce_updated after update on wallets.editions
  referencing old table as old_rows new table as new_rows for each statement execute function wallets.on_editions();

-- What a play says beyond the names that editions take from it is shown with its editions.
create function wallets.on_plays() returns trigger language plpgsql as $$
begin
  perform platform.announce('edition_updated',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e join new_rows n on n.id = e.play_id join old_rows o on o.id = n.id where n is distinct from o));
  return null;
end $$;

create trigger announce_updated after update on wallets.plays
  referencing old table as old_rows new table as new_rows for each statement execute function wallets.on_plays();

-- The latest price of an edition is the one scraped last, in whatever order they come.
create function wallets.on_price_scrapes() returns trigger language plpgsql as $$
declare
  latest integer[];
begin
  with changed as (
    insert into wallets.edition_prices as p (edition_id, scraped_at, floor_usd, average_sale_usd)
    select distinct on (edition_id) edition_id, scraped_at, floor_usd, average_sale_usd from new_rows
    order by edition_id, scraped_at desc
    on conflict (edition_id) do update
      set scraped_at = excluded.scraped_at, floor_usd = excluded.floor_usd, average_sale_usd = excluded.average_sale_usd
      where excluded.scraped_at >= p.scraped_at
    returning with (old as before, new as after)
      after.edition_id, (after.floor_usd, after.average_sale_usd) is distinct from (before.floor_usd, before.average_sale_usd) as differs
  )
  select array_agg(edition_id) filter (where differs) into latest from changed;
  insert into wallets.dirty_editions select unnest(latest);
  perform platform.announce('edition_price_changed',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e where e.id in (select edition_id from new_rows))
    || case when latest is not null then 'edition-prices:all'::text end);
  return null;
end $$;

create trigger announce_inserted after insert on wallets.edition_price_scrape
  referencing new table as new_rows for each statement execute function wallets.on_price_scrapes();
create trigger announce_updated after update on wallets.edition_price_scrape
  referencing new table as new_rows for each statement execute function wallets.on_price_scrapes();

create function wallets.on_player_prices() returns trigger language plpgsql as $$
begin
  perform platform.announce('edition_price_changed',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e where e.player_name in (select player_name from new_rows)));
  return null;
end $$;

create trigger announce_inserted after insert on wallets.player_price_scrape
  referencing new table as new_rows for each statement execute function wallets.on_player_prices();
create trigger announce_updated after update on wallets.player_price_scrape
  referencing new table as new_rows for each statement execute function wallets.on_player_prices();

create function wallets.on_purchases() returns trigger language plpgsql as $$
begin
  insert into wallets.new_sales (nft_id, price_usd, purchased_at) select nft_id, price_usd, purchased_at from new_rows;
  perform platform.announce('moment_sold',
    (select array_agg(distinct 'editions:' || wallets.edition_name(e.set_id, e.play_id))
     from new_rows n join wallets.nft_core_metadata m using (nft_id) join wallets.editions e on e.id = m.edition_id));
  return null;
end $$;

create trigger announce_inserted after insert on wallets.purchases
  referencing new table as new_rows for each statement execute function wallets.on_purchases();

-- Down Migration
drop function wallets.on_holdings, wallets.on_profiles, wallets.on_moments, wallets.on_editions, wallets.on_plays, wallets.on_price_scrapes,
  wallets.on_player_prices, wallets.on_purchases cascade;
