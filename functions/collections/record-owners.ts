import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes, zeroAddress } from '../../shared/kernel/address.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { lockCollections } from './record-collection.ts';

/** An owner of a token and the amount owned. */
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

/** The tokens `n` that moved after a block, so that a list read later says nothing about them as of that block. */
const movedSince = (block: number) =>
  sql`exists (select from collections.transfers t where t.nft_id = n.id and t.block_number > ${block})`;

/**
 * Stores owners as of `block`, which must be finalized. Repairs ownership that has drifted, and marks the listed tokens as
 * verified. Tokens that moved after the block are left out, as are the burnt amounts of the zero address. A list older
 * than the last verification changes nothing.
 *
 * All transfers up to the block at which the list was read must be stored.
 */
export async function recordOwners(
  tx: Transaction,
  collection: string,
  block: number,
  listed: readonly OwnerRecord[],
): Promise<Changed> {
  const rows = listed.filter(({ owner }) => owner !== zeroAddress);
  if (rows.length === 0) return { applied: 0, unchanged: listed.length };
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
  return { applied: drifted, unchanged: listed.length - drifted };
}

/** ERC-721: the listed owner. Returns how many drifted. */
async function verifyExclusive(tx: Transaction, block: number): Promise<number> {
  const { rows } = await tx.query<{ drifted: number }>(sql`
    with given as materialized (
      select distinct on (n.id) n.id as nft_id, s.owner, o.owner as old_owner, o.acquired_at as old_acquired_at
      from ${stagedOwners} s
      join collections.collections c on c.id = s.collection_id and c.token_type <> 'ERC1155'
      join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
      left join collections.nft_ownership o on o.nft_id = n.id
      where coalesce(greatest(o.verified_block, c.owners_block), -1) <= ${block} and not ${movedSince(block)}
      order by n.id, s.position desc
    ), written as (
      insert into collections.nft_ownership
        (nft_id, owner, amount, exclusive, acquired_at, verified_block, last_verified_at)
      select nft_id, owner, 1, true, case when owner = old_owner then old_acquired_at end, ${block}, now()
      from given order by nft_id
      on conflict (nft_id) where exclusive do update set
        owner = excluded.owner, amount = excluded.amount, acquired_at = excluded.acquired_at,
        verified_block = excluded.verified_block, verified_owner = null, last_verified_at = excluded.last_verified_at
    )
    select count(*)::integer as drifted from given where owner is distinct from old_owner`);
  return rows[0]!.drifted;
}

/** ERC-1155: the listed amount. Returns how many drifted. */
async function verifyShared(tx: Transaction, block: number): Promise<number> {
  const { rows } = await tx.query<{ drifted: number }>(sql`
    with given as materialized (
      select n.id as nft_id, s.owner, sum(s.amount) as amount, min(o.amount) as old_amount,
        min(o.acquired_at) as acquired_at
      from ${stagedOwners} s
      join collections.collections c on c.id = s.collection_id and c.token_type = 'ERC1155'
      join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
      left join collections.nft_ownership o on o.nft_id = n.id and o.owner = s.owner
      where coalesce(greatest(o.verified_block, c.owners_block), -1) <= ${block} and not ${movedSince(block)}
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
 * Completes a list of a collection's owners as of `block`: transfers up to the block no longer count, and owners not
 * listed are removed. Tokens that moved after the block keep their owners and the block that these stand for.
 *
 * @param head  the block at which the last page was read, if known
 * @throws Integrity  upstream listed less than half of the tokens known to be owned; nothing changes
 */
export async function concludeOwners(
  tx: Transaction,
  collection: string,
  block: number,
  head: number | null = null,
): Promise<void> {
  const collectionId = (await lockCollections(tx, [collection])).get(collection)!;
  await assertPlausible(tx, collectionId, block);
  await tx.query(sql`
    update collections.nfts n set owners_block = pinned.block
    from (
      select n.id, case when ${movedSince(block)} then coalesce(n.owners_block, c.owners_block, -1) end as block
      from collections.nfts n join collections.collections c on c.id = n.collection_id
      where c.id = ${collectionId} and coalesce(c.owners_block, -1) <= ${block}
    ) pinned
    where n.id = pinned.id and n.owners_block is distinct from pinned.block`);
  await tx.query(sql`
    update collections.collections
    set owners_block = ${block}, owners_head = ${head}, owners_verified_at = now(), holdings_from = 'tokens'
    where id = ${collectionId} and coalesce(owners_block, -1) <= ${block}`);
  await tx.query(sql`
    delete from collections.nft_ownership o using collections.nfts n
    where n.id = o.nft_id and n.collection_id = ${collectionId} and coalesce(o.verified_block, -1) < ${block}
      and not ${movedSince(block)}`);
  await tx.query(sql`select collections.rebuild_holdings(${collectionId})`);
}

async function assertPlausible(tx: Transaction, collectionId: number, block: number): Promise<void> {
  const { rows } = await tx.query<{ owned: number; listed: number }>(sql`
    select count(*)::integer as owned, (count(*) filter (where o.verified_block >= ${block}))::integer as listed
    from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
    where n.collection_id = ${collectionId} and o.amount > 0 and not ${movedSince(block)}`);
  const { owned, listed } = rows[0]!;
  if (listed >= owned * plausibleShare) return;
  throw new Integrity(
    `Upstream listed only ${listed} of ${owned} known owners. The list was not applied. Sync again.`,
    { details: { owned, named: listed } },
  );
}
