-- Up Migration
-- Each room names its own entities: what a wallet holds of collections is `wallet-collections:`, no longer `wallets:`. A
-- price voids the lists of the wallets that hold its edition, not all lists. And changes that were not announced are:
-- columns that answers show, rows that are deleted, traits changed by hand, a play that comes after its editions.

-- Announcing triggers join a row's old and new state by its key. An update that changed the key would slip through.
create function platform.keep_key() returns trigger language plpgsql as $$
begin
  raise exception 'The key of %.% cannot change. Delete the row and insert another.', tg_table_schema, tg_table_name
    using errcode = 'integrity_constraint_violation';
end $$;

do $$
declare
  kept record;
begin
  for kept in
    select * from (values
      ('collections.nfts', 'collection_id, token_id'),
      ('collections.collection_traits', 'collection_id'),
      ('collections.transfers', 'nft_id'),
      ('collections.nft_ownership', 'nft_id'),
      ('collections.user_collections', 'user_address, collection_id'),
      ('collections.holder_snapshots', 'collection_id'),
      ('collections.snapshot_holders', 'snapshot_id, owner'),
      ('collections.fc_users', 'fid'),
      ('collections.fc_user_wallets', 'fid, wallet'),
      ('wallets.sets', 'id'),
      ('wallets.set_tiers', 'set_name'),
      ('wallets.plays', 'id'),
      ('wallets.editions', 'set_id, play_id'),
      ('wallets.nft_core_metadata', 'nft_id'),
      ('wallets.wallet_holdings', 'nft_id'),
      ('wallets.wallet_profiles', 'wallet_address'),
      ('wallets.edition_price_scrape', 'edition_id, scraped_at'),
      ('wallets.edition_prices', 'edition_id'),
      ('wallets.player_price_scrape', 'player_name, scraped_at'),
      ('wallets.purchases', 'nft_id, purchased_at, seller')
    ) as tables (name, key)
  loop
    execute format(
      'create trigger keep_key before update of %1$s on %2$s for each row when ((%3$s) is distinct from (%4$s)) execute function platform.keep_key()',
      kept.key, kept.name, regexp_replace(kept.key, '(\w+)', 'old.\1', 'g'), regexp_replace(kept.key, '(\w+)', 'new.\1', 'g'));
  end loop;
end $$;

-- What is cached of wallets: their own lists, and those of the Farcaster users they are verified for.
create or replace function collections.entities_of_wallets(addresses bytea[]) returns text[] language sql as $$
  select array_agg(entity) from (
    select 'wallet-collections:0x' || encode(address, 'hex') as entity from unnest(addresses) as address
    union
    select 'users:' || w.fid from collections.fc_user_wallets w where w.wallet = any (addresses)
  ) as named
$$;

-- The counts are announced here only where they are set by hand: what triggers count is announced by what they count.
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
        || case when changed.holders_counted then 'collection-owners:' || changed.name end,
        jsonb_build_object('collection', coalesce(changed.name, changed.old_name)));
    end if;
    if changed.looks_different then
      perform collections.lock_user_wallets(false);
      perform platform.announce('collection_updated', collections.entities_of_wallets(
        (select array_agg(user_address) from collections.user_collections where collection_id = changed.id)),
        jsonb_build_object('collection', coalesce(changed.name, changed.old_name)));
    end if;
  end loop;
  return null;
end $$;

create trigger announce_deleted after delete on collections.collections
  referencing old table as old_rows for each statement execute function collections.announce_collections();

-- A time that was unknown and is known now, or the other way around, is a change too: min and max leave nulls out.
create or replace function collections.announce_ownership() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  changed record;
begin
  for changed in execute format($sql$
    with pair as (
      select nft_id, owner,
        sum(sign * greatest(amount, 0)) <> 0 or min(acquired_at) <> max(acquired_at)
          or count(acquired_at) not in (0, count(*)) as moved,
        min(last_verified_at) <> max(last_verified_at) or count(last_verified_at) not in (0, count(*)) as verified
      from (%s) as change
      where amount > 0
      group by nft_id, owner
    )
    select collections.name_of(c.address, c.slug) as name,
      array_agg(distinct 'nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as tokens,
      array_agg(distinct p.owner) filter (where p.moved) as owners
    from pair p join collections.nfts n on n.id = p.nft_id join collections.collections c on c.id = n.collection_id
    where p.moved or p.verified
    group by c.id order by c.id $sql$, changes)
  loop
    if changed.owners is not null then
      perform collections.lock_user_wallets(false);
    end if;
    perform platform.announce('ownership_changed',
      changed.tokens || case when changed.owners is not null
        then ('collection-owners:' || changed.name) || collections.entities_of_wallets(changed.owners) end,
      jsonb_build_object('collection', changed.name));
  end loop;
  return null;
end $$;

-- Traits that tokens gain or lose are announced with the tokens; those changed by hand, here. One that no token has is
-- not shown.
create function collections.announce_traits() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'table new_rows'
    when 'DELETE' then 'table old_rows'
    else 'select n.* from new_rows n join old_rows o on o.id = n.id where n is distinct from o union all
      select o.* from new_rows n join old_rows o on o.id = n.id where n is distinct from o'
  end;
  name text;
begin
  if pg_trigger_depth() > 1 then return null; end if;
  for name in execute format($sql$
    select collections.name_of(c.address, c.slug) from collections.collections c
    where c.id in (select collection_id from (%s) as change where token_count > 0) order by c.id $sql$, changes)
  loop
    perform platform.announce('collection_updated', array['collection-nfts:' || name],
      jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

create trigger announce_inserted after insert on collections.collection_traits
  referencing new table as new_rows for each statement execute function collections.announce_traits();
create trigger announce_updated after update on collections.collection_traits
  referencing old table as old_rows new table as new_rows for each statement execute function collections.announce_traits();
create trigger announce_deleted after delete on collections.collection_traits
  referencing old table as old_rows for each statement execute function collections.announce_traits();

-- A list of holders is seen while it is complete; a row added to one that is, or taken from it, at once.
create or replace function collections.announce_snapshots() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'table new_rows'
    when 'DELETE' then 'table old_rows'
    else 'table new_rows union all table old_rows'
  end;
  name text;
begin
  for name in execute format(case tg_table_name
    when 'holder_snapshots' then $sql$
      select collections.name_of(c.address, c.slug) from collections.collections c
      where c.id in (select collection_id from (%s) as change where completed_at is not null) order by c.id $sql$
    else $sql$
      select collections.name_of(c.address, c.slug) from collections.collections c
      where c.id in (
        select s.collection_id from (%s) as change join collections.holder_snapshots s on s.id = change.snapshot_id
        where s.completed_at is not null) order by c.id $sql$
    end, changes)
  loop
    perform platform.announce('ownership_changed', array['collection-owners:' || name],
      jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

create or replace trigger announce_updated after update on collections.holder_snapshots
  referencing old table as old_rows new table as new_rows
  for each statement execute function collections.announce_snapshots();
create trigger announce_deleted after delete on collections.holder_snapshots
  referencing old table as old_rows for each statement execute function collections.announce_snapshots();
create or replace trigger announce_updated after update on collections.snapshot_holders
  referencing old table as old_rows new table as new_rows
  for each statement execute function collections.announce_snapshots();
create trigger announce_deleted after delete on collections.snapshot_holders
  referencing old table as old_rows for each statement execute function collections.announce_snapshots();

-- The prices that lists of holdings show: those of the last refresh, which names every wallet that holds the edition.
create table wallets.edition_prices_snapshot (
  -- no reference, as in editions_snapshot
  edition_id integer primary key,
  floor_usd numeric,
  average_sale_usd numeric
);
insert into wallets.edition_prices_snapshot select edition_id, floor_usd, average_sale_usd from wallets.edition_prices;

-- An edition that is deleted leaves nothing to refresh.
create or replace function wallets.on_editions() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'select n.* from new_rows n join old_rows o using (id) where n is distinct from o' end;
  changed integer[];
  names text[];
begin
  execute format($sql$
    select array_agg(id), array_agg('editions:' || wallets.edition_name(set_id, play_id)) from (%s) as change $sql$, changes)
  into changed, names;
  if changed is null then return null; end if;
  if tg_op = 'DELETE' then
    delete from wallets.editions_snapshot where edition_id = any (changed);
    delete from wallets.edition_prices_snapshot where edition_id = any (changed);
  else
    insert into wallets.dirty_editions select unnest(changed);
  end if;
  perform platform.announce('edition_updated', 'edition-catalogue:all'::text || names);
  return null;
end $$;

create trigger announce_deleted after delete on wallets.editions
  referencing old table as old_rows for each statement execute function wallets.on_editions();

create or replace function wallets.on_plays() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'select n.* from new_rows n join old_rows o using (id) where n is distinct from o' end;
  names text[];
begin
  execute format($sql$
    select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
    from wallets.editions e join (%s) as change on change.id = e.play_id $sql$, changes) into names;
  perform platform.announce('edition_updated', names);
  return null;
end $$;

create trigger announce_inserted after insert on wallets.plays
  referencing new table as new_rows for each statement execute function wallets.on_plays();
create trigger announce_deleted after delete on wallets.plays
  referencing old table as old_rows for each statement execute function wallets.on_plays();

-- The latest price of an edition is the one scraped last, in whatever order they come. It is shown from the next refresh
-- on, which names the wallets that hold the edition.
create or replace function wallets.on_price_scrapes() returns trigger language plpgsql as $$
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
     from wallets.editions e where e.id in (select edition_id from new_rows)));
  return null;
end $$;

-- A scrape that is taken back leaves the one before it, which is looked up once no other scrape of the edition is under way.
create function wallets.on_price_scrapes_deleted() returns trigger language plpgsql as $$
begin
  perform 1 from wallets.edition_prices where edition_id in (select edition_id from old_rows) order by edition_id for update;
  with left_over as (
    select e.edition_id, p.scraped_at, p.floor_usd, p.average_sale_usd
    from (select distinct edition_id from old_rows) as e left join lateral (
      select * from wallets.edition_price_scrape s where s.edition_id = e.edition_id order by s.scraped_at desc limit 1
    ) as p on true
  ), replaced as (
    merge into wallets.edition_prices p using left_over l on p.edition_id = l.edition_id
    when matched and l.scraped_at is null then delete
    when matched and l.scraped_at <> p.scraped_at then
      update set scraped_at = l.scraped_at, floor_usd = l.floor_usd, average_sale_usd = l.average_sale_usd
    returning p.edition_id
  )
  insert into wallets.dirty_editions select edition_id from replaced;
  perform platform.announce('edition_price_changed',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e where e.id in (select edition_id from old_rows)));
  return null;
end $$;

create trigger announce_deleted after delete on wallets.edition_price_scrape
  referencing old table as old_rows for each statement execute function wallets.on_price_scrapes_deleted();

-- the function looks at the players of its rows alone, be they there or gone
create trigger announce_deleted after delete on wallets.player_price_scrape
  referencing old table as new_rows for each statement execute function wallets.on_player_prices();

-- Down Migration
drop trigger announce_deleted on wallets.player_price_scrape;
drop function wallets.on_price_scrapes_deleted cascade;
drop trigger announce_inserted on wallets.plays;
drop trigger announce_deleted on wallets.plays;
drop trigger announce_deleted on wallets.editions;
drop trigger announce_deleted on collections.snapshot_holders;
drop trigger announce_deleted on collections.holder_snapshots;
drop trigger announce_deleted on collections.collections;
drop function collections.announce_traits cascade;
drop function platform.keep_key cascade;
create or replace trigger announce_updated after update on collections.holder_snapshots
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();
create or replace trigger announce_updated after update on collections.snapshot_holders
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();
drop table wallets.edition_prices_snapshot;

create or replace function collections.entities_of_wallets(addresses bytea[]) returns text[] language sql as $$
  select array_agg(entity) from (
    select 'wallets:0x' || encode(address, 'hex') as entity from unnest(addresses) as address
    union
    select 'users:' || w.fid from collections.fc_user_wallets w where w.wallet = any (addresses)
  ) as named
$$;

create or replace function collections.announce_collections() returns trigger language plpgsql as $$
declare
  changed record;
  old_source text := case tg_op when 'INSERT' then 'select * from collections.collections where false' else 'table old_rows' end;
begin
  for changed in execute format($sql$
    select n.id, collections.name_of(n.address, n.slug) as name, collections.name_of(o.address, o.slug) as old_name,
      o.id is not null and (n.name, n.image_url, n.address, n.slug)
        is distinct from (o.name, o.image_url, o.address, o.slug) as looks_different
    from new_rows n left join (%s) o on o.id = n.id
    where o.id is null
      or (n.address, n.slug, n.name, n.symbol, n.token_type, n.description, n.image_url, n.external_url, n.total_supply,
          n.floor_price_eth, n.deployer, n.deployed_block, n.completeness, n.refreshed_at)
        is distinct from (o.address, o.slug, o.name, o.symbol, o.token_type, o.description, o.image_url, o.external_url,
          o.total_supply, o.floor_price_eth, o.deployer, o.deployed_block, o.completeness, o.refreshed_at)
    order by n.id $sql$, old_source)
  loop
    perform platform.announce('collection_updated',
      array['collections:' || changed.name, 'collections:' || changed.old_name],
      jsonb_build_object('collection', changed.name));
    if changed.looks_different then
      perform collections.lock_user_wallets(false);
      perform platform.announce('collection_updated', collections.entities_of_wallets(
        (select array_agg(user_address) from collections.user_collections where collection_id = changed.id)),
        jsonb_build_object('collection', changed.name));
    end if;
  end loop;
  return null;
end $$;

create or replace function collections.announce_ownership() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  changed record;
begin
  for changed in execute format($sql$
    with pair as (
      select nft_id, owner,
        sum(sign * greatest(amount, 0)) <> 0 or min(acquired_at) is distinct from max(acquired_at) as moved,
        min(last_verified_at) is distinct from max(last_verified_at) as verified
      from (%s) as change
      where amount > 0
      group by nft_id, owner
    )
    select collections.name_of(c.address, c.slug) as name,
      array_agg(distinct 'nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as tokens,
      array_agg(distinct p.owner) filter (where p.moved) as owners
    from pair p join collections.nfts n on n.id = p.nft_id join collections.collections c on c.id = n.collection_id
    where p.moved or p.verified
    group by c.id order by c.id $sql$, changes)
  loop
    if changed.owners is not null then
      perform collections.lock_user_wallets(false);
    end if;
    perform platform.announce('ownership_changed',
      changed.tokens || case when changed.owners is not null
        then ('collection-owners:' || changed.name) || collections.entities_of_wallets(changed.owners) end,
      jsonb_build_object('collection', changed.name));
  end loop;
  return null;
end $$;

create or replace function collections.announce_snapshots() returns trigger language plpgsql as $$
declare
  changes text := case tg_table_name
    when 'holder_snapshots' then 'select collection_id from new_rows where completed_at is not null'
    else $sql$ select s.collection_id from new_rows n join collections.holder_snapshots s on s.id = n.snapshot_id
      where s.completed_at is not null $sql$
  end;
  name text;
begin
  for name in execute format($sql$
    select collections.name_of(c.address, c.slug) from collections.collections c
    where c.id in (%s) order by c.id $sql$, changes)
  loop
    perform platform.announce('ownership_changed', array['collection-owners:' || name],
      jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

create or replace function wallets.on_editions() returns trigger language plpgsql as $$
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

create or replace function wallets.on_plays() returns trigger language plpgsql as $$
begin
  perform platform.announce('edition_updated',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e join new_rows n on n.id = e.play_id join old_rows o on o.id = n.id where n is distinct from o));
  return null;
end $$;

create or replace function wallets.on_price_scrapes() returns trigger language plpgsql as $$
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
