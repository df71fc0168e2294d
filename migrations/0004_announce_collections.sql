-- Up Migration
-- What a change of each table is announced for: the entities of every cached view that shows it. Each trigger writes the
-- outbox in the changing transaction, and nothing where nothing that is shown has changed.
--
-- Two joins could miss what another transaction is just about to commit, and leave a view stale:
-- a wallet that becomes a holder while its collection is renamed – both lock the collection's row, so one follows the
-- other; and a wallet that is linked to a user while it acquires something – who looks users up holds a shared advisory
-- lock, who links wallets holds it alone, each until its transaction ends.

create function collections.lock_user_wallets(alone boolean) returns void language plpgsql as $$
begin
  if alone then
    perform pg_advisory_xact_lock(hashtextextended('collections.fc_user_wallets', 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended('collections.fc_user_wallets', 0));
  end if;
end $$;

-- What is cached of wallets: their own lists, and those of the Farcaster users they are verified for.
create function collections.entities_of_wallets(addresses bytea[]) returns text[] language sql as $$
  select array_agg(entity) from (
    select 'wallets:0x' || encode(address, 'hex') as entity from unnest(addresses) as address
    union
    select 'users:' || w.fid from collections.fc_user_wallets w where w.wallet = any (addresses)
  ) as named
$$;

create function collections.announce_collections() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.collections
  referencing new table as new_rows for each statement execute function collections.announce_collections();
create trigger announce_updated after update on collections.collections
  referencing old table as old_rows new table as new_rows
  for each statement execute function collections.announce_collections();

-- Tokens and traits are shown under collection-nfts alone, a single token's page too: naming each of them as well would
-- cost ten thousand fences an import.
create function collections.announce_nfts() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.nfts
  referencing new table as new_rows for each statement execute function collections.announce_nfts();
create trigger announce_updated after update on collections.nfts
  referencing old table as old_rows new table as new_rows for each statement execute function collections.announce_nfts();
create trigger announce_deleted after delete on collections.nfts
  referencing old table as old_rows for each statement execute function collections.announce_nfts();

create function collections.announce_transfers() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.transfers
  referencing new table as new_rows for each statement execute function collections.announce_transfers();
create trigger announce_updated after update on collections.transfers
  referencing new table as new_rows for each statement execute function collections.announce_transfers();
create trigger announce_deleted after delete on collections.transfers
  referencing old table as old_rows for each statement execute function collections.announce_transfers();

-- An owner's change names the token and, unless it was only verified, what shows the holdings it changes.
create function collections.announce_ownership() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.nft_ownership
  referencing new table as new_rows for each statement execute function collections.announce_ownership();
create trigger announce_updated after update on collections.nft_ownership
  referencing old table as old_rows new table as new_rows
  for each statement execute function collections.announce_ownership();
create trigger announce_deleted after delete on collections.nft_ownership
  referencing old table as old_rows for each statement execute function collections.announce_ownership();

-- Holdings that follow from owners are announced with these; those from lists, or rebuilt, here.
create function collections.announce_holdings() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.user_collections
  referencing new table as new_rows for each statement execute function collections.announce_holdings();
create trigger announce_updated after update on collections.user_collections
  referencing new table as new_rows for each statement execute function collections.announce_holdings();
create trigger announce_deleted after delete on collections.user_collections
  referencing old table as old_rows for each statement execute function collections.announce_holdings();

-- A list of holders is seen from the moment it is complete; a row added to one that is, at once.
create function collections.announce_snapshots() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.holder_snapshots
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();
create trigger announce_updated after update on collections.holder_snapshots
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();
create trigger announce_inserted after insert on collections.snapshot_holders
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();
create trigger announce_updated after update on collections.snapshot_holders
  referencing new table as new_rows for each statement execute function collections.announce_snapshots();

create function collections.announce_users() returns trigger language plpgsql as $$
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

create trigger announce_inserted after insert on collections.fc_users
  referencing new table as new_rows for each statement execute function collections.announce_users();
create trigger announce_updated after update on collections.fc_users
  referencing old table as old_rows new table as new_rows for each statement execute function collections.announce_users();
create trigger announce_deleted after delete on collections.fc_users
  referencing old table as old_rows for each statement execute function collections.announce_users();
-- when a wallet was seen is not shown, so an update of a link is not announced
create trigger announce_inserted after insert on collections.fc_user_wallets
  referencing new table as new_rows for each statement execute function collections.announce_users();
create trigger announce_deleted after delete on collections.fc_user_wallets
  referencing old table as old_rows for each statement execute function collections.announce_users();

-- Down Migration
drop function collections.announce_collections, collections.announce_nfts, collections.announce_transfers,
  collections.announce_ownership, collections.announce_holdings, collections.announce_snapshots,
  collections.announce_users cascade;
drop function collections.entities_of_wallets, collections.lock_user_wallets;
