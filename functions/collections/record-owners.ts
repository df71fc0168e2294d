import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes, zeroAddress } from '../../shared/kernel/address.ts';
import type { Changed } from './changed.ts';
import { lockCollections } from './record-collection.ts';
import { deriveOwners } from './record-transfers.ts';

/** An owner of a token as upstream has it. */
export interface OwnerRecord {
  tokenId: string;
  owner: string;
  amount: string;
}

/**
 * Records what upstream says of the owners of some tokens as of a block, and heals what has drifted: for these tokens it
 * is the whole truth at that block, and transfers after it are added. Gives how many tokens have other owners than stood.
 *
 * @source Alchemy getOwnersForContract
 */
export async function recordOwners(
  tx: Transaction,
  collection: string,
  block: number,
  records: readonly OwnerRecord[],
): Promise<Changed> {
  const id = (await lockCollections(tx, [collection])).get(collection)!;
  const columns = { token_id: 'numeric(78, 0)', owner: 'bytea', amount: 'numeric(78, 0)' };
  const owned = records.filter(({ owner }) => owner !== zeroAddress);
  await stageRows(
    tx,
    'staged_owners',
    columns,
    owned.map((one) => [one.tokenId, toBytes(one.owner), one.amount]),
  );
  await tx.query(
    `insert into collections.nfts (collection_id, token_id)
     select distinct $1::integer, token_id from pg_temp.staged_owners s
     where not exists (select 1 from collections.nfts n where n.collection_id = $1 and n.token_id = s.token_id)
     order by 2 on conflict do nothing`,
    [id],
  );
  const verified = `
    select n.id as nft_id, s.owner, s.amount, c.token_type <> 'ERC1155' as exclusive
    from pg_temp.staged_owners s join collections.nfts n on n.collection_id = $1 and n.token_id = s.token_id
      join collections.collections c on c.id = n.collection_id
    where s.amount > 0`;
  const before = await owners(tx, id);
  // who holds it no longer goes first: an ERC-721 token has room for one
  await tx.query(
    `delete from collections.nft_ownership o using collections.nfts n
     where n.id = o.nft_id and n.collection_id = $1 and n.token_id in (select token_id from pg_temp.staged_owners)
       and not exists (select 1 from (${verified}) as v where (v.nft_id, v.owner) = (o.nft_id, o.owner))`,
    [id],
  );
  await tx.query(
    `insert into collections.nft_ownership as o (nft_id, owner, amount, verified_amount, exclusive, last_verified_at)
     select nft_id, owner, sum(amount), sum(amount), exclusive, now() from (${verified}) as v group by nft_id, owner, exclusive
     order by nft_id, owner
     on conflict (nft_id, owner) do update set amount = excluded.amount, verified_amount = excluded.verified_amount,
       last_verified_at = excluded.last_verified_at`,
    [id],
  );
  const { rows } = await tx.query<{ id: string }>(
    `update collections.nfts n set owners_block = $2
     where n.collection_id = $1 and n.token_id in (select token_id from pg_temp.staged_owners) returning n.id::text`,
    [id, block],
  );
  await deriveOwners(
    tx,
    rows.map((row) => row.id),
  );
  const after = await owners(tx, id);
  const applied = [...after].filter(([token, now]) => before.get(token) !== now).length;
  return { applied, unchanged: after.size - applied };
}

async function owners(tx: Transaction, collectionId: number): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ token: string; held: string | null }>(
    `select n.token_id::text as token, string_agg(encode(o.owner, 'hex') || ' ' || o.amount, ',' order by o.owner) as held
     from collections.nfts n left join collections.nft_ownership o on o.nft_id = n.id and o.amount > 0
     where n.collection_id = $1 and n.token_id in (select token_id from pg_temp.staged_owners) group by n.id`,
    [collectionId],
  );
  return new Map(rows.map(({ token, held }) => [token, held ?? '']));
}
