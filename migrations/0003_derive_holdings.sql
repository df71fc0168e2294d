-- Up Migration
-- What is derived in the collections room, kept by statement-level triggers:
--
--   transfers ──▶ nft_ownership ──▶ user_collections ──▶ collections.holder_count
--   nfts.trait_ids ──▶ collection_traits.token_count, collections.token_count
--
-- Ownership is a function of a set of transfers and what upstream has verified, never of the order they came in.
-- ERC-721: whom the last transfer past the verified block went to, else whom upstream gave, else whom the last transfer
-- of all went to. ERC-1155: the verified amount and every transfer past it, each counted once.
--
-- Who derives locks the collections concerned first, in the order of their ids: the statements after the lock see what
-- others have committed, so two writers of one token cannot both miss the other's transfer.

create function collections.lock_collections(ids integer[]) returns void language sql as $$
  select 1 from collections.collections c where c.id = any (ids) order by c.id for no key update
$$;

-- The owner of each of these ERC-721 tokens, from what is there now.
create function collections.derive_exclusive_owners(tokens bigint[]) returns void language plpgsql as $$
begin
  with derived as materialized (
    select n.id as nft_id,
      o.nft_id is not null as stands,
      case
        when last.id is not null then last.to_address
        when o.verified_block is not null then coalesce(o.verified_owner, o.owner)
      end as owner,
      case when last.id is null and o.verified_owner is null then o.acquired_at else last.block_timestamp end as acquired_at,
      o.verified_block,
      coalesce(o.verified_owner, case when o.verified_block is not null then o.owner end) as verified_owner
    from collections.nfts n
    join collections.collections c on c.id = n.collection_id and c.token_type <> 'ERC1155'
    left join collections.nft_ownership o on o.nft_id = n.id
    left join lateral (
      select t.id, t.to_address, t.block_timestamp
      from collections.transfers t
      where t.nft_id = n.id and t.block_number > coalesce(greatest(o.verified_block, c.owners_block), -1)
      order by t.block_number desc, t.log_index desc, t.batch_index desc, t.id desc
      limit 1
    ) last on true
    where n.id = any (tokens)
  ), gone as (
    delete from collections.nft_ownership o using derived d where o.nft_id = d.nft_id and d.owner is null
  )
  insert into collections.nft_ownership as o
    (nft_id, owner, amount, exclusive, acquired_at, verified_block, verified_owner)
  select d.nft_id, d.owner, case when d.owner = decode(repeat('00', 20), 'hex') then 0 else 1 end, true, d.acquired_at,
    d.verified_block, nullif(d.verified_owner, d.owner)
  from derived d
  where d.owner is not null
  order by d.nft_id
  on conflict (nft_id) where exclusive do update
    set owner = excluded.owner, amount = excluded.amount, acquired_at = excluded.acquired_at,
      verified_owner = excluded.verified_owner
    where (o.owner, o.acquired_at, o.verified_owner)
      is distinct from (excluded.owner, excluded.acquired_at, excluded.verified_owner);
end $$;

create function collections.on_transfers() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  touched record;
begin
  execute format($sql$
    select array_agg(n.id) filter (where c.token_type <> 'ERC1155') as exclusive,
      array_agg(n.id) filter (where c.token_type = 'ERC1155') as shared,
      array_agg(distinct c.id) as collections
    from (select distinct nft_id from (%s) as change) as moved
    join collections.nfts n on n.id = moved.nft_id
    join collections.collections c on c.id = n.collection_id $sql$, changes) into touched;
  if touched.collections is null then return null; end if;
  perform collections.lock_collections(touched.collections);
  if touched.exclusive is not null then
    perform collections.derive_exclusive_owners(touched.exclusive);
  end if;
  if touched.shared is not null then
    execute format($sql$
      with change as materialized (%s), moved as (
        select nft_id, block_number, block_timestamp, to_address as owner, sign * amount as amount from change
        union all
        select nft_id, block_number, null, from_address, - sign * amount from change
      )
      insert into collections.nft_ownership as o (nft_id, owner, amount, exclusive, acquired_at)
      select m.nft_id, m.owner, sum(m.amount), false, max(m.block_timestamp) filter (where m.amount > 0)
      from moved m
      join collections.nfts n on n.id = m.nft_id
      join collections.collections c on c.id = n.collection_id
      left join collections.nft_ownership e on e.nft_id = m.nft_id and e.owner = m.owner
      where m.nft_id = any ($1) and m.owner <> decode(repeat('00', 20), 'hex')
        and m.block_number > coalesce(greatest(e.verified_block, c.owners_block), -1)
      group by m.nft_id, m.owner
      having sum(m.amount) <> 0
      order by m.nft_id, m.owner
      on conflict (nft_id, owner) do update
        set amount = o.amount + excluded.amount, acquired_at = greatest(o.acquired_at, excluded.acquired_at)
      $sql$, changes) using touched.shared;
    -- a holder of nothing, of whom nothing was verified, is nobody
    delete from collections.nft_ownership o
    where o.nft_id = any (touched.shared) and o.amount = 0 and o.verified_block is null and not o.exclusive;
  end if;
  return null;
end $$;

create trigger derive_inserted after insert on collections.transfers
  referencing new table as new_rows for each statement execute function collections.on_transfers();
create trigger derive_updated after update on collections.transfers
  referencing old table as old_rows new table as new_rows for each statement execute function collections.on_transfers();
create trigger derive_deleted after delete on collections.transfers
  referencing old table as old_rows for each statement execute function collections.on_transfers();

-- Acquisition, disposal and transfer: what each wallet holds of each collection.
create function collections.on_ownership() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  concerned integer[];
begin
  execute format($sql$
    select array_agg(distinct n.collection_id)
    from (select nft_id from (%s) as change where amount > 0) as moved
    join collections.nfts n on n.id = moved.nft_id $sql$, changes) into concerned;
  if concerned is null then return null; end if;
  perform collections.lock_collections(concerned);
  execute format($sql$
    with delta as materialized (
      select m.owner, n.collection_id, sum(m.sign)::integer as tokens, sum(m.sign * m.amount) as amount,
        max(m.acquired_at) filter (where m.sign > 0) as acquired_at
      from (%s) as m
      join collections.nfts n on n.id = m.nft_id
      join collections.collections c on c.id = n.collection_id
      where m.amount > 0 and c.holdings_from = 'tokens'
      group by m.owner, n.collection_id
    )
    merge into collections.user_collections u
    using delta d on u.user_address = d.owner and u.collection_id = d.collection_id
    -- not on the sum in the join's result: the planner takes that for one row and runs nested scans
    when matched and u.token_count + d.tokens <= 0 then delete
    when matched and (d.tokens <> 0 or d.amount <> 0 or d.acquired_at > u.last_owned_at) then
      update set token_count = u.token_count + d.tokens, amount = u.amount + d.amount,
        last_owned_at = greatest(u.last_owned_at, d.acquired_at)
    when not matched and d.tokens > 0 then
      insert (user_address, collection_id, token_count, amount, last_owned_at)
      values (d.owner, d.collection_id, d.tokens, d.amount, coalesce(d.acquired_at, now()))
    $sql$, changes);
  return null;
end $$;

create trigger derive_inserted after insert on collections.nft_ownership
  referencing new table as new_rows for each statement execute function collections.on_ownership();
create trigger derive_updated after update on collections.nft_ownership
  referencing old table as old_rows new table as new_rows for each statement execute function collections.on_ownership();
create trigger derive_deleted after delete on collections.nft_ownership
  referencing old table as old_rows for each statement execute function collections.on_ownership();

-- The holdings of a collection once more from the owners of its tokens: what stands already is not touched.
create function collections.rebuild_holdings(which integer) returns void language sql as $$
  select collections.lock_collections(array[which]);
  with owned as materialized (
    select o.owner, count(*)::integer as tokens, sum(o.amount) as amount, max(o.acquired_at) as acquired_at
    from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
    where n.collection_id = which and o.amount > 0
    group by o.owner
  )
  merge into collections.user_collections u
  using (
    select coalesce(e.user_address, o.owner) as holder, o.*
    from owned o
    full join (select user_address from collections.user_collections where collection_id = which) e
      on e.user_address = o.owner
  ) d on u.user_address = d.holder and u.collection_id = which
  when matched and d.tokens is null then delete
  when matched and (u.token_count, u.amount) <> (d.tokens, d.amount) then
    update set token_count = d.tokens, amount = d.amount, last_owned_at = greatest(u.last_owned_at, d.acquired_at)
  when not matched then
    insert (user_address, collection_id, token_count, amount, last_owned_at)
    values (d.holder, which, d.tokens, d.amount, coalesce(d.acquired_at, now()))
$$;

-- The holdings of a collection that is known by lists: those of its last complete one.
create function collections.publish_holders(which integer) returns void language sql as $$
  select collections.lock_collections(array[which]);
  with last as (
    select id, snapshot_at from collections.holder_snapshots
    where collection_id = which and completed_at is not null order by snapshot_at desc limit 1
  ), listed as materialized (
    select h.owner, h.token_count, l.snapshot_at from last l join collections.snapshot_holders h on h.snapshot_id = l.id
  )
  merge into collections.user_collections u
  using (
    select coalesce(e.user_address, l.owner) as holder, l.*
    from listed l
    full join (select user_address from collections.user_collections where collection_id = which) e
      on e.user_address = l.owner
  ) d on u.user_address = d.holder and u.collection_id = which
  when matched and d.token_count is null then delete
  when matched and (u.token_count, u.last_owned_at) <> (d.token_count, d.snapshot_at) then
    update set token_count = d.token_count, amount = d.token_count, last_owned_at = d.snapshot_at
  when not matched then
    insert (user_address, collection_id, token_count, amount, last_owned_at)
    values (d.holder, which, d.token_count, d.token_count, d.snapshot_at)
$$;

create function collections.on_holdings() returns trigger language plpgsql as $$
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

create trigger derive_inserted after insert on collections.user_collections
  referencing new table as new_rows for each statement execute function collections.on_holdings();
create trigger derive_deleted after delete on collections.user_collections
  referencing old table as old_rows for each statement execute function collections.on_holdings();

-- A collection turns out to be, or not to be, of ERC-1155: its owners are derived anew.
create function collections.on_token_type() returns trigger language plpgsql as $$
begin
  delete from collections.nft_ownership o using collections.nfts n where n.id = o.nft_id and n.collection_id = new.id;
  update collections.collections c set owners_block = null, owners_verified_at = null
  where c.id = new.id and c.owners_block is not null;
  if new.token_type <> 'ERC1155' then
    perform collections.derive_exclusive_owners((select array_agg(id) from collections.nfts where collection_id = new.id));
  else
    insert into collections.nft_ownership (nft_id, owner, amount, exclusive, acquired_at)
    select m.nft_id, m.owner, sum(m.amount), false, max(m.block_timestamp) filter (where m.amount > 0)
    from collections.nfts n
    join collections.transfers t on t.nft_id = n.id
    cross join lateral (
      values (t.nft_id, t.to_address, t.amount, t.block_timestamp), (t.nft_id, t.from_address, - t.amount, null)
    ) as m (nft_id, owner, amount, block_timestamp)
    where n.collection_id = new.id and m.owner <> decode(repeat('00', 20), 'hex')
    group by m.nft_id, m.owner
    having sum(m.amount) <> 0;
  end if;
  return null;
end $$;

create trigger derive_owners_anew after update of token_type on collections.collections
  for each row when ((old.token_type = 'ERC1155') <> (new.token_type = 'ERC1155'))
  execute function collections.on_token_type();

-- Tokens and their traits.
create function collections.on_nfts() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  concerned integer[];
begin
  execute format('select array_agg(distinct collection_id) from (%s) as change', changes) into concerned;
  if concerned is null then return null; end if;
  perform collections.lock_collections(concerned);
  execute format($sql$
    update collections.collection_traits t set token_count = t.token_count + d.tokens
    from (
      select trait_id, sum(sign) as tokens from (%s) as change, unnest(trait_ids) as trait_id
      group by trait_id having sum(sign) <> 0
    ) d
    where t.id = d.trait_id $sql$, changes);
  execute format($sql$
    update collections.collections c set token_count = c.token_count + d.tokens
    from (
      select collection_id, sum(sign) as tokens from (%s) as change group by collection_id having sum(sign) <> 0
    ) d
    where c.id = d.collection_id $sql$, changes);
  return null;
end $$;

create trigger derive_inserted after insert on collections.nfts
  referencing new table as new_rows for each statement execute function collections.on_nfts();
create trigger derive_updated after update on collections.nfts
  referencing old table as old_rows new table as new_rows for each statement execute function collections.on_nfts();
create trigger derive_deleted after delete on collections.nfts
  referencing old table as old_rows for each statement execute function collections.on_nfts();

-- Down Migration
drop function collections.on_transfers, collections.on_ownership, collections.on_holdings, collections.on_token_type,
  collections.on_nfts cascade;
drop function collections.rebuild_holdings, collections.publish_holders, collections.derive_exclusive_owners,
  collections.lock_collections;
