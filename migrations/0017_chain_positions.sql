-- Up Migration
-- Positions in the chain under motion (docs/decisions/0022-owners-stand-for-final-blocks.md).

-- Transfers whose block may still turn out not to be part of the chain. A timed report that is not listed here is final.
create table collections.unsettled_transfers (
  transfer_id bigint primary key references collections.transfers on delete cascade
);
insert into collections.unsettled_transfers
select id from collections.transfers
where block_hash is not null and block_number > (select max(block_number) - 128 from collections.transfers);

-- Syncs now begin after the block that was finalized when the last one began; so far they began 64 blocks before its head.
update collections.collections set transfers_block = greatest(transfers_block - 128, 0) where transfers_block is not null;

-- A position now holds the blocks that are read, so that syncs under way start over.
delete from platform.checkpoints where name like 'collections.transfers:%' or name like 'collections.owners:%';

-- The owners' block of a token that the collection's last list left out, because it moved after the finalized block.
-- -1: all transfers count.
alter table collections.nfts add column owners_block bigint;

-- The head at which the last page of that list was read. Upstream's list may know a block or two that its node does not.
alter table collections.collections add column owners_head bigint;

create or replace function collections.derive_exclusive_owners(tokens bigint[]) returns void language plpgsql as $$
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
      where t.nft_id = n.id and t.block_number > coalesce(o.verified_block, n.owners_block, c.owners_block, -1)
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

-- The owners of those of these tokens that are ERC-1155, from all of their transfers.
create function collections.derive_shared_owners(tokens bigint[]) returns void language sql as $$
  with owned as materialized (
    select m.nft_id, m.owner, sum(m.amount) as amount, max(m.block_timestamp) filter (where m.amount > 0) as acquired_at
    from collections.nfts n
    join collections.collections c on c.id = n.collection_id and c.token_type = 'ERC1155'
    join collections.transfers t on t.nft_id = n.id
    cross join lateral (
      values (t.nft_id, t.to_address, t.amount, t.block_timestamp), (t.nft_id, t.from_address, - t.amount, null)
    ) as m (nft_id, owner, amount, block_timestamp)
    where n.id = any (tokens) and m.owner <> decode(repeat('00', 20), 'hex')
    group by m.nft_id, m.owner
    having sum(m.amount) <> 0
  )
  merge into collections.nft_ownership o
  using (
    select coalesce(d.nft_id, e.nft_id) as token, coalesce(d.owner, e.owner) as holder, d.amount, d.acquired_at
    from owned d
    full join (select nft_id, owner from collections.nft_ownership where nft_id = any (tokens) and not exclusive) e
      on (e.nft_id, e.owner) = (d.nft_id, d.owner)
  ) d on o.nft_id = d.token and o.owner = d.holder
  when matched and d.amount is null then delete
  when matched and (o.amount, o.acquired_at, o.verified_block) is distinct from (d.amount, d.acquired_at, null) then
    update set amount = d.amount, acquired_at = d.acquired_at, verified_block = null
  when not matched then
    insert (nft_id, owner, amount, exclusive, acquired_at) values (d.token, d.holder, d.amount, false, d.acquired_at)
$$;

-- The owners that were read for these tokens no longer count: only transfers do, until the owners are read again.
create function collections.void_owners(tokens bigint[]) returns void language plpgsql as $$
begin
  update collections.nfts set owners_block = -1 where id = any (tokens) and owners_block is distinct from -1;
  update collections.nft_ownership set verified_block = null, verified_owner = null
  where nft_id = any (tokens) and exclusive and verified_block is not null;
  perform collections.derive_exclusive_owners(tokens);
  perform collections.derive_shared_owners(tokens);
end $$;

create or replace function collections.on_transfers() returns trigger language plpgsql as $$
declare
  changes text := case tg_op
    when 'INSERT' then 'select 1 as sign, n.* from new_rows n'
    when 'DELETE' then 'select -1 as sign, o.* from old_rows o'
    else 'select 1 as sign, n.* from new_rows n union all select -1, o.* from old_rows o'
  end;
  concerned integer[];
  voided bigint[];
  touched record;
begin
  execute format($sql$
    select array_agg(distinct n.collection_id) from (%s) as change join collections.nfts n on n.id = change.nft_id $sql$,
    changes) into concerned;
  if concerned is null then return null; end if;
  perform collections.lock_collections(concerned);
  if tg_op = 'INSERT' then
    -- the owners that were read may include the transfer, or not
    select array_agg(distinct n.id) into voided
    from new_rows r
    join collections.nfts n on n.id = r.nft_id and n.owners_block is null
    join collections.collections c on c.id = n.collection_id and c.token_type = 'ERC1155'
    where r.block_number > c.owners_head and r.block_number <= c.owners_head + 2;
  elsif tg_op = 'DELETE' then
    -- the owners that were read include a transfer that is taken back
    select array_agg(distinct n.id) into voided
    from old_rows r
    join collections.nfts n on n.id = r.nft_id
    join collections.collections c on c.id = n.collection_id
    where r.block_number <= greatest(coalesce(n.owners_block, c.owners_block),
      (select max(o.verified_block) from collections.nft_ownership o where o.nft_id = n.id));
    update collections.collections set owners_verified_at = null
    where id in (select collection_id from collections.nfts where id = any (voided)) and owners_verified_at is not null;
  end if;
  if voided is not null then
    perform collections.void_owners(voided);
  end if;
  execute format($sql$
    select array_agg(n.id) filter (where c.token_type <> 'ERC1155') as exclusive,
      array_agg(n.id) filter (where c.token_type = 'ERC1155') as shared
    from (select distinct nft_id from (%s) as change) as moved
    join collections.nfts n on n.id = moved.nft_id
    join collections.collections c on c.id = n.collection_id
    where n.id <> all (coalesce($1, '{}')) $sql$, changes) into touched using voided;
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
        and m.block_number > coalesce(e.verified_block, n.owners_block, c.owners_block, -1)
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

-- A collection turns out to be, or not to be, of ERC-1155: its owners are derived anew, from transfers alone.
create or replace function collections.on_token_type() returns trigger language plpgsql as $$
declare
  tokens bigint[] := (select array_agg(id) from collections.nfts where collection_id = new.id);
begin
  delete from collections.nft_ownership where nft_id = any (tokens);
  update collections.collections c set owners_block = null, owners_head = null, owners_verified_at = null
  where c.id = new.id and c.owners_block is not null;
  update collections.nfts set owners_block = null where collection_id = new.id and owners_block is not null;
  perform collections.derive_exclusive_owners(tokens);
  perform collections.derive_shared_owners(tokens);
  return null;
end $$;

-- Down Migration
create or replace function collections.derive_exclusive_owners(tokens bigint[]) returns void language plpgsql as $$
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

create or replace function collections.on_transfers() returns trigger language plpgsql as $$
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

create or replace function collections.on_token_type() returns trigger language plpgsql as $$
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

delete from platform.checkpoints where name like 'collections.transfers:%' or name like 'collections.owners:%';
drop function collections.void_owners, collections.derive_shared_owners;
alter table collections.collections drop column owners_head;
alter table collections.nfts drop column owners_block;
drop table collections.unsettled_transfers;
