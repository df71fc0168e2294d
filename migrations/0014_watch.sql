-- Up Migration
-- One function creates the triggers that announce a table's changes, or derive other tables from it. Events lose their
-- detail, which no consumer reads: an event is its type and its entities. The previous version still writes and reads it
-- during a deployment, and after a rollback, so the column and the function with three parameters stay for one release.

-- Creates or replaces the triggers that call a function after each statement that inserts, updates, or deletes rows of a
-- table, and the trigger that rejects updates of its key.
--
-- The function reads the rows from `new_rows` and `old_rows`; an update has both. With `rows_as`, it reads them from one
-- table of that name: the new rows, or the deleted ones. Triggers for the same event run in the order of their names.
create function platform.watch(
  watched regclass,
  calls regproc,
  key text[] default null,
  events text[] default '{insert,update,delete}',
  rows_as text default null,
  prefix text default 'announce'
) returns void language plpgsql as $$
declare
  event text;
begin
  foreach event in array events loop
    execute format('create or replace trigger %I after %s on %s referencing %s for each statement execute function %s()',
      prefix || '_' || rtrim(event, 'e') || 'ed', event, watched,
      case
        when rows_as is not null then format('%s table as %I', case event when 'delete' then 'old' else 'new' end, rows_as)
        when event = 'insert' then 'new table as new_rows'
        when event = 'update' then 'old table as old_rows new table as new_rows'
        else 'old table as old_rows'
      end,
      calls);
  end loop;
  if key is not null then
    execute (
      select format('create or replace trigger keep_key before update of %s on %s for each row
        when ((%s) is distinct from (%s)) execute function platform.keep_key()',
        string_agg(quote_ident(name), ', '), watched,
        string_agg('old.' || quote_ident(name), ', '), string_agg('new.' || quote_ident(name), ', '))
      from unnest(key) as name);
  end if;
end $$;

drop function platform.announce(text, text[], jsonb);
-- Announces a change, in rows of at most 500 entities.
create function platform.announce(event_type text, changed text[]) returns void
language sql as $$
  insert into platform.outbox (type, entities)
  select event_type, array_agg(entity order by entity)
  from (
    select entity, (row_number() over (order by entity) - 1) / 500 as part
    from (select distinct entity from unnest(changed) as entity where entity is not null) as named
  ) as parted
  group by part
$$;

create function platform.announce(event_type text, changed text[], event_detail jsonb) returns void
language sql as $$ select platform.announce(event_type, changed) $$;

-- Counts are announced here only if set by hand: what triggers count is announced with the rows that they count.
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

-- Views of tokens and traits, even of a single token, depend only on collection-nfts: naming each token as well would cost
-- ten thousand fences per import.
create or replace function collections.announce_nfts() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select collection_id from new_rows'
    when 'DELETE' then 'select collection_id from old_rows'
    else $sql$
      select n.collection_id from new_rows n join old_rows o on o.id = n.id
      where (n.name, n.description, n.image_url, n.token_uri, n.attributes, n.trait_ids, n.updated_at)
        is distinct from (o.name, o.description, o.image_url, o.token_uri, o.attributes, o.trait_ids, o.updated_at) $sql$
  end;
  name text;
begin
  for name in execute format($sql$
    select collections.name_of(c.address, c.slug) from collections.collections c
    where c.id in (%s) order by c.id $sql$, changes)
  loop
    perform platform.announce('collection_updated', array['collection-nfts:' || name]);
  end loop;
  return null;
end $$;

create or replace function collections.announce_transfers() returns trigger language plpgsql as $$
declare
  changed record;
begin
  for changed in execute $sql$
    select collections.name_of(c.address, c.slug) as name, count(*) as transfers,
      array_agg(distinct 'nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as entities
    from changed_rows t join collections.nfts n on n.id = t.nft_id join collections.collections c on c.id = n.collection_id
    group by c.id order by c.id $sql$
  loop
    perform platform.announce('nft_transferred', changed.entities);
  end loop;
  return null;
end $$;

-- A change of an owner names the token and, unless the owner was only verified, the views of the holdings that change. A
-- time that becomes known or unknown is a change too, which min and max do not show: they ignore nulls.
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
        then ('collection-owners:' || changed.name) || collections.entities_of_wallets(changed.owners) end);
  end loop;
  return null;
end $$;

-- Holdings derived from owners are announced with the owners; holdings from lists, and rebuilt ones, here.
create or replace function collections.announce_holdings() returns trigger language plpgsql as $$
declare
  changed record;
begin
  if pg_trigger_depth() > 1 then return null; end if;
  for changed in execute $sql$
    select collections.name_of(c.address, c.slug) as name, array_agg(h.user_address) as holders
    from changed_rows h join collections.collections c on c.id = h.collection_id group by c.id order by c.id $sql$
  loop
    perform collections.lock_user_wallets(false);
    perform platform.announce('ownership_changed',
      ('collection-owners:' || changed.name) || collections.entities_of_wallets(changed.holders));
  end loop;
  return null;
end $$;

-- Traits that tokens gain or lose are announced with the tokens; traits changed by hand, here. A trait that no token has
-- is not shown.
create or replace function collections.announce_traits() returns trigger language plpgsql as $$
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
    perform platform.announce('collection_updated', array['collection-nfts:' || name]);
  end loop;
  return null;
end $$;

-- A list of holders is visible once it is complete; from then on, each row added or removed is visible at once.
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
    perform platform.announce('ownership_changed', array['collection-owners:' || name]);
  end loop;
  return null;
end $$;

create or replace function collections.announce_users() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select fid from new_rows'
    when 'DELETE' then 'select fid from old_rows'
    else $sql$
      select n.fid from new_rows n join old_rows o on o.fid = n.fid
      where (n.username, n.display_name, n.image_url, n.updated_at)
        is distinct from (o.username, o.display_name, o.image_url, o.updated_at) $sql$
  end;
  users text[];
begin
  execute format('select array_agg(distinct %L || fid) from (%s) as change', 'users:', changes) into users;
  if users is null then return null; end if;
  if tg_table_name = 'fc_user_wallets' then
    perform collections.lock_user_wallets(true);
  end if;
  perform platform.announce('user_updated', users);
  return null;
end $$;

create or replace function wallets.on_player_prices() returns trigger language plpgsql as $$
begin
  perform platform.announce('edition_price_changed',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e where e.player_name in (select player_name from changed_rows)));
  return null;
end $$;

-- What each table's changes call. Not included: tables that only have a key to protect, and the row trigger
-- collections.derive_owners_anew.
select platform.watch('collections.collections', 'collections.announce_collections');
select platform.watch('collections.nfts', 'collections.announce_nfts', key => '{collection_id,token_id}');
select platform.watch('collections.nfts', 'collections.on_nfts', prefix => 'derive');
select platform.watch('collections.collection_traits', 'collections.announce_traits', key => '{collection_id}');
select platform.watch('collections.transfers', 'collections.announce_transfers', key => '{nft_id}', rows_as => 'changed_rows');
select platform.watch('collections.transfers', 'collections.on_transfers', prefix => 'derive');
select platform.watch('collections.nft_ownership', 'collections.announce_ownership', key => '{nft_id}');
select platform.watch('collections.nft_ownership', 'collections.on_ownership', prefix => 'derive');
select platform.watch('collections.user_collections', 'collections.announce_holdings', key => '{user_address,collection_id}',
  rows_as => 'changed_rows');
select platform.watch('collections.user_collections', 'collections.on_holdings', events => '{insert,delete}', prefix => 'derive');
select platform.watch('collections.holder_snapshots', 'collections.announce_snapshots', key => '{collection_id}');
select platform.watch('collections.snapshot_holders', 'collections.announce_snapshots', key => '{snapshot_id,owner}');
select platform.watch('collections.fc_users', 'collections.announce_users', key => '{fid}');
-- no answer shows when a wallet was seen, so that updates of links are not announced
select platform.watch('collections.fc_user_wallets', 'collections.announce_users', key => '{fid,wallet}', events => '{insert,delete}');

select platform.watch('wallets.plays', 'wallets.on_plays', key => '{id}');
select platform.watch('wallets.editions', 'wallets.on_editions', key => '{set_id,play_id}');
select platform.watch('wallets.nft_core_metadata', 'wallets.on_moments', key => '{nft_id}');
select platform.watch('wallets.wallet_holdings', 'wallets.on_holdings', key => '{nft_id}');
select platform.watch('wallets.wallet_profiles', 'wallets.on_profiles', key => '{wallet_address}');
select platform.watch('wallets.edition_price_scrape', 'wallets.on_price_scrapes', key => '{edition_id,scraped_at}',
  events => '{insert,update}', rows_as => 'new_rows');
select platform.watch('wallets.edition_price_scrape', 'wallets.on_price_scrapes_deleted', events => '{delete}');
select platform.watch('wallets.player_price_scrape', 'wallets.on_player_prices', key => '{player_name,scraped_at}',
  rows_as => 'changed_rows');
select platform.watch('wallets.purchases', 'wallets.on_purchases', key => '{nft_id,purchased_at,seller}', events => '{insert}');

-- Down Migration
drop function platform.announce(text, text[]), platform.announce(text, text[], jsonb);
create function platform.announce(event_type text, changed text[], event_detail jsonb default '{}') returns void
language sql as $$
  insert into platform.outbox (type, entities, detail)
  select event_type, array_agg(entity order by entity), event_detail
  from (
    select entity, (row_number() over (order by entity) - 1) / 500 as part
    from (select distinct entity from unnest(changed) as entity where entity is not null) as named
  ) as parted
  group by part
$$;

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

create or replace function collections.announce_nfts() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select collection_id from new_rows'
    when 'DELETE' then 'select collection_id from old_rows'
    else $sql$
      select n.collection_id from new_rows n join old_rows o on o.id = n.id
      where (n.name, n.description, n.image_url, n.token_uri, n.attributes, n.trait_ids, n.updated_at)
        is distinct from (o.name, o.description, o.image_url, o.token_uri, o.attributes, o.trait_ids, o.updated_at) $sql$
  end;
  name text;
begin
  for name in execute format($sql$
    select collections.name_of(c.address, c.slug) from collections.collections c
    where c.id in (%s) order by c.id $sql$, changes)
  loop
    perform platform.announce('collection_updated', array['collection-nfts:' || name],
      jsonb_build_object('collection', name));
  end loop;
  return null;
end $$;

create or replace function collections.announce_transfers() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'DELETE' then 'old_rows' else 'new_rows' end;
  changed record;
begin
  for changed in execute format($sql$
    select collections.name_of(c.address, c.slug) as name, count(*) as transfers,
      array_agg(distinct 'nfts:' || collections.name_of(c.address, c.slug) || ':' || n.token_id) as entities
    from %I t join collections.nfts n on n.id = t.nft_id join collections.collections c on c.id = n.collection_id
    group by c.id order by c.id $sql$, changes)
  loop
    perform platform.announce('nft_transferred', changed.entities,
      jsonb_build_object('collection', changed.name, 'transfers', changed.transfers));
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

create or replace function collections.announce_holdings() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'DELETE' then 'old_rows' else 'new_rows' end;
  changed record;
begin
  if pg_trigger_depth() > 1 then return null; end if;
  for changed in execute format($sql$
    select collections.name_of(c.address, c.slug) as name, array_agg(h.user_address) as holders
    from %I h join collections.collections c on c.id = h.collection_id group by c.id order by c.id $sql$, changes)
  loop
    perform collections.lock_user_wallets(false);
    perform platform.announce('ownership_changed',
      ('collection-owners:' || changed.name) || collections.entities_of_wallets(changed.holders),
      jsonb_build_object('collection', changed.name));
  end loop;
  return null;
end $$;

create or replace function collections.announce_traits() returns trigger language plpgsql as $$
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

create or replace function collections.announce_users() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select fid from new_rows'
    when 'DELETE' then 'select fid from old_rows'
    else $sql$
      select n.fid from new_rows n join old_rows o on o.fid = n.fid
      where (n.username, n.display_name, n.image_url, n.updated_at)
        is distinct from (o.username, o.display_name, o.image_url, o.updated_at) $sql$
  end;
  users text[];
begin
  execute format('select array_agg(distinct %L || fid) from (%s) as change', 'users:', changes) into users;
  if users is null then return null; end if;
  if tg_table_name = 'fc_user_wallets' then
    perform collections.lock_user_wallets(true);
  end if;
  perform platform.announce('user_updated', users, '{}');
  return null;
end $$;

create or replace function wallets.on_player_prices() returns trigger language plpgsql as $$
begin
  perform platform.announce('edition_price_changed',
    (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
     from wallets.editions e where e.player_name in (select player_name from new_rows)));
  return null;
end $$;

select platform.watch('collections.transfers', 'collections.announce_transfers');
select platform.watch('collections.user_collections', 'collections.announce_holdings');
select platform.watch('wallets.player_price_scrape', 'wallets.on_player_prices', rows_as => 'new_rows');
-- their update triggers had only the new rows
select platform.watch(watched, calls, events => '{update}', rows_as => 'new_rows') from (values
  ('collections.transfers'::regclass, 'collections.announce_transfers'::regproc),
  ('collections.user_collections', 'collections.announce_holdings')) as those (watched, calls);
drop function platform.watch;
