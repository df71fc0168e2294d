import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { lockCollections } from './record-collection.ts';

/** An owner of a token and the amount owned, as of the block that the owners were requested for. */
export interface OwnerRecord {
  tokenId: string;
  owner: string;
  amount: string;
}

const stagedOwners = new TemporaryTable('staged_owners', {
  collection_id: 'integer',
  token_id: 'numeric',
  owner: 'bytea',
  amount: 'numeric',
});

/** A list of owners is rejected if it covers less than this share of the tokens known to be owned. */
const plausibleShare = 0.5;

/**
 * Stores the owners that upstream listed as of `block`, with later transfers applied on top. Repairs ownership that has
 * drifted, and marks every listed token as verified. A list older than the last verification changes nothing.
 */
export async function recordOwners(
  tx: Transaction,
  collection: string,
  block: number,
  rows: readonly OwnerRecord[],
): Promise<Changed> {
  if (rows.length === 0) return { applied: 0, unchanged: 0 };
  const collectionId = (await lockCollections(tx, [collection])).get(collection)!;
  await stagedOwners.fill(tx, rows, (row) => ({
    collection_id: collectionId,
    token_id: row.tokenId,
    owner: toBytes(row.owner),
    amount: row.amount,
  }));
  await tx.query(sql`
    insert into collections.nfts (collection_id, token_id)
    select distinct s.collection_id, s.token_id from ${stagedOwners} s
    where not exists (
      select from collections.nfts n where n.collection_id = s.collection_id and n.token_id = s.token_id)
    order by 1, 2`);
  const drifted = (await verifyExclusive(tx, block)) + (await verifyShared(tx, block));
  return { applied: drifted, unchanged: rows.length - drifted };
}

/** ERC-721: the recipient of the last transfer after the block, else the listed owner. Returns how many drifted. */
async function verifyExclusive(tx: Transaction, block: number): Promise<number> {
  const { rows } = await tx.query<{ drifted: number }>(sql`
    with given as materialized (
      select distinct on (n.id) n.id as nft_id, s.owner as verified_owner, coalesce(last.to_address, s.owner) as owner,
        last.block_timestamp as acquired_at, o.owner as old_owner, o.amount as old_amount, o.acquired_at as old_acquired_at
      from ${stagedOwners} s
      join collections.collections c on c.id = s.collection_id and c.token_type <> 'ERC1155'
      join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
      left join collections.nft_ownership o on o.nft_id = n.id
      left join lateral (
        select t.to_address, t.block_timestamp from collections.transfers t
        where t.nft_id = n.id and t.block_number > ${block}
        order by t.block_number desc, t.log_index desc, t.batch_index desc, t.id desc limit 1
      ) last on true
      where coalesce(greatest(o.verified_block, c.owners_block), -1) <= ${block}
      order by n.id, s.position desc
    ), written as (
      insert into collections.nft_ownership
        (nft_id, owner, amount, exclusive, acquired_at, verified_block, verified_owner, last_verified_at)
      select nft_id, owner, case when owner = decode(repeat('00', 20), 'hex') then 0 else 1 end, true,
        case when owner = old_owner then old_acquired_at else acquired_at end,
        ${block}, nullif(verified_owner, owner), now()
      from given order by nft_id
      on conflict (nft_id) where exclusive do update set
        owner = excluded.owner, amount = excluded.amount, acquired_at = excluded.acquired_at,
        verified_block = excluded.verified_block, verified_owner = excluded.verified_owner,
        last_verified_at = excluded.last_verified_at
    )
    select count(*)::integer as drifted from given where owner is distinct from old_owner`);
  return rows[0]!.drifted;
}

/** ERC-1155: the listed amount plus the transfers after the block. Returns how many drifted. */
async function verifyShared(tx: Transaction, block: number): Promise<number> {
  const { rows } = await tx.query<{ drifted: number }>(sql`
    with given as materialized (
      select n.id as nft_id, s.owner, sum(s.amount) + coalesce(min(later.amount), 0) as amount,
        min(o.amount) as old_amount, min(o.acquired_at) as acquired_at
      from ${stagedOwners} s
      join collections.collections c on c.id = s.collection_id and c.token_type = 'ERC1155'
      join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
      left join collections.nft_ownership o on o.nft_id = n.id and o.owner = s.owner
      left join lateral (
        select sum(case when t.to_address = s.owner then t.amount else 0 end
          - case when t.from_address = s.owner then t.amount else 0 end) as amount
        from collections.transfers t where t.nft_id = n.id and t.block_number > ${block}
      ) later on true
      where coalesce(greatest(o.verified_block, c.owners_block), -1) <= ${block}
      group by n.id, s.owner
    ), written as (
      insert into collections.nft_ownership
        (nft_id, owner, amount, exclusive, acquired_at, verified_block, last_verified_at)
      select nft_id, owner, amount, false, acquired_at, ${block}, now() from given order by nft_id, owner
      on conflict (nft_id, owner) do update set
        amount = excluded.amount, verified_block = excluded.verified_block, last_verified_at = excluded.last_verified_at
    )
    select count(*)::integer as drifted from given where amount is distinct from old_amount`);
  return rows[0]!.drifted;
}

/**
 * Completes a list of a collection's owners as of `block`: owners not listed keep only what they received later, and
 * transfers up to the block no longer count. Returns how many owners changed.
 *
 * @throws Integrity  upstream listed less than half of the tokens known to be owned; nothing changes
 */
export async function concludeOwners(tx: Transaction, collection: string, block: number): Promise<{ applied: number }> {
  const collectionId = (await lockCollections(tx, [collection])).get(collection)!;
  await assertPlausible(tx, collectionId, block);
  await tx.query(sql`
    update collections.collections set owners_block = ${block}, owners_verified_at = now(), holdings_from = 'tokens'
    where id = ${collectionId} and coalesce(owners_block, -1) <= ${block}`);
  const { rows } = await tx.query<{ nft_id: string; exclusive: boolean }>(sql`
    select o.nft_id, o.exclusive
    from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
    where n.collection_id = ${collectionId} and coalesce(o.verified_block, -1) < ${block}`);
  const exclusive = rows.filter((row) => row.exclusive).map((row) => row.nft_id);
  if (exclusive.length > 0) {
    await tx.query(sql`
      update collections.nft_ownership set verified_block = null, verified_owner = null
      where nft_id = any (${exclusive}::bigint[]) and exclusive`);
    await tx.query(sql`select collections.derive_exclusive_owners(${exclusive}::bigint[])`);
  }
  await dropUnlistedShares(tx, collectionId, block);
  await tx.query(sql`select collections.rebuild_holdings(${collectionId})`);
  return { applied: rows.length };
}

async function assertPlausible(tx: Transaction, collectionId: number, block: number): Promise<void> {
  const { rows } = await tx.query<{ owned: number; listed: number }>(sql`
    select count(*)::integer as owned, (count(*) filter (where o.verified_block >= ${block}))::integer as listed
    from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
    where n.collection_id = ${collectionId} and o.amount > 0`);
  const { owned, listed } = rows[0]!;
  if (listed >= owned * plausibleShare) return;
  throw new Integrity(
    `Upstream listed only ${listed} of ${owned} known owners. The list was not applied. Sync again.`,
    {
      details: { owned, named: listed },
    },
  );
}

async function dropUnlistedShares(tx: Transaction, collectionId: number, block: number): Promise<void> {
  await tx.query(sql`
    with later as (
      select o.nft_id, o.owner, (
          select coalesce(sum(case when t.to_address = o.owner then t.amount else 0 end
            - case when t.from_address = o.owner then t.amount else 0 end), 0)
          from collections.transfers t where t.nft_id = o.nft_id and t.block_number > ${block}
        ) as amount
      from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
      where n.collection_id = ${collectionId} and not o.exclusive and coalesce(o.verified_block, -1) < ${block}
    )
    update collections.nft_ownership o set amount = later.amount, verified_block = null
    from later
    where (later.nft_id, later.owner) = (o.nft_id, o.owner) and (o.amount <> later.amount or o.verified_block is not null)`);
  await tx.query(sql`
    delete from collections.nft_ownership o using collections.nfts n
    where n.id = o.nft_id and n.collection_id = ${collectionId} and not o.exclusive and o.amount = 0
      and o.verified_block is null`);
}
