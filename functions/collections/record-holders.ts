import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import type { Changed } from './changed.ts';
import { lockCollections } from './record-collection.ts';

/** A holder in a list that is complete as of its time. */
export interface HolderRecord {
  collection: string;
  snapshotAt: Date;
  wallet: string;
  tokenCount: number;
}

/**
 * Records rows of holder lists; gives how many were new or different. What stands for the collection follows when the
 * whole list is in: `settleHolders`.
 *
 * @source the import `collections.holders`
 */
export async function recordHolders(tx: Transaction, records: readonly HolderRecord[]): Promise<Changed> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  const columns = { collection_id: 'integer', snapshot_at: 'timestamptz', owner: 'bytea', token_count: 'integer' };
  const rows = records.map((one) => [ids.get(one.collection)!, one.snapshotAt, toBytes(one.wallet), one.tokenCount]);
  await stageRows(tx, 'staged_holders', columns, rows);
  const { rowCount } = await tx.query(`
    with latest as (
      select distinct on (collection_id, snapshot_at, owner) * from pg_temp.staged_holders
      order by collection_id, snapshot_at, owner, position desc
    )
    insert into collections.holder_snapshots (collection_id, snapshot_at, owner, token_count)
    select l.collection_id, l.snapshot_at, l.owner, l.token_count
    from latest l left join collections.holder_snapshots e using (collection_id, snapshot_at, owner)
    where e.token_count is distinct from l.token_count
    order by 1, 2, 3
    on conflict (collection_id, snapshot_at, owner) do update set token_count = excluded.token_count`);
  return { applied: rowCount!, unchanged: records.length - rowCount! };
}

/** Brings user_collections of every collection that is known by lists alone to its last list. */
export async function settleHolders(tx: Transaction): Promise<void> {
  const last = `
    select h.collection_id, h.owner, h.token_count, h.snapshot_at
    from (select collection_id, max(snapshot_at) as snapshot_at from collections.holder_snapshots group by collection_id) as l
      join collections.holder_snapshots h using (collection_id, snapshot_at)
    where not exists (select 1 from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
                      where n.collection_id = h.collection_id)`;
  await tx.query(`
    delete from collections.user_collections u
    where u.collection_id in (select distinct collection_id from (${last}) as l)
      and not exists (select 1 from (${last}) as l where (l.collection_id, l.owner) = (u.collection_id, u.user_address))`);
  await tx.query(`
    insert into collections.user_collections as u (user_address, collection_id, token_count, amount, last_owned_at)
    select l.owner, l.collection_id, l.token_count, l.token_count, l.snapshot_at
    from (${last}) as l left join collections.user_collections e on (e.user_address, e.collection_id) = (l.owner, l.collection_id)
    where e.token_count is distinct from l.token_count
    order by l.owner, l.collection_id
    on conflict (user_address, collection_id) do update
      set token_count = excluded.token_count, amount = excluded.amount, last_owned_at = excluded.last_owned_at`);
  await tx.query(`
    update collections.collections c set holder_count = l.holders, token_count = l.tokens, completeness = 'complete',
      refreshed_at = greatest(c.refreshed_at, l.snapshot_at)
    from (select collection_id, count(*)::integer as holders, sum(token_count)::integer as tokens, max(snapshot_at) as snapshot_at
          from (${last}) as l group by collection_id) as l
    where c.id = l.collection_id and (c.holder_count, c.token_count, c.completeness) is distinct from (l.holders, l.tokens, 'complete')`);
}
