import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { lockCollections } from './record-collection.ts';

/** One row of a list of a collection's holders. */
export interface HolderRecord {
  collection: string;
  snapshotAt: Date;
  wallet: string;
  tokenCount: number;
}

const stagedHolders = new TemporaryTable('staged_holders', {
  collection_id: 'integer',
  snapshot_at: 'timestamptz',
  owner: 'bytea',
  token_count: 'integer',
});

/**
 * Stores rows of holder lists. A new list stays hidden until `settleHolders` is called with the same `jobId`, so that no
 * reader sees half of it.
 */
export async function recordHolders(tx: Transaction, rows: readonly HolderRecord[], jobId: string): Promise<Changed> {
  if (rows.length === 0) return { applied: 0, unchanged: 0 };
  const ids = await lockCollections(
    tx,
    rows.map(({ collection }) => collection),
  );
  await stagedHolders.fill(tx, rows, (row) => ({
    collection_id: ids.get(row.collection),
    snapshot_at: row.snapshotAt,
    owner: toBytes(row.wallet),
    token_count: row.tokenCount,
  }));
  await tx.query(sql`
    insert into collections.holder_snapshots as h (collection_id, snapshot_at, job_id)
    select distinct s.collection_id, s.snapshot_at, ${jobId}::text from ${stagedHolders} s
    where not exists (
      select from collections.holder_snapshots e
      where e.collection_id = s.collection_id and e.snapshot_at = s.snapshot_at
        and (e.completed_at is not null or e.job_id = ${jobId}))
    order by 1, 2
    on conflict (collection_id, snapshot_at) do update set job_id = excluded.job_id where h.completed_at is null`);
  const { rows: counted } = await tx.query<{ applied: number }>(sql`
    with listed as (
      select distinct on (h.id, s.owner) h.id as snapshot_id, s.owner, s.token_count
      from ${stagedHolders} s
      join collections.holder_snapshots h on h.collection_id = s.collection_id and h.snapshot_at = s.snapshot_at
      order by h.id, s.owner, s.position desc
    ), written as (
      insert into collections.snapshot_holders (snapshot_id, owner, token_count)
      select l.* from listed l
      left join collections.snapshot_holders h on h.snapshot_id = l.snapshot_id and h.owner = l.owner
      where h.owner is null or h.token_count <> l.token_count
      order by l.snapshot_id, l.owner
      on conflict (snapshot_id, owner) do update set token_count = excluded.token_count
      returning 1
    )
    select count(*)::integer as applied from written`);
  const applied = counted[0]!.applied;
  return { applied, unchanged: rows.length - applied };
}

/**
 * Publishes the lists that a job imported, each as a whole. A collection without a contract has no known individual
 * tokens, so its holdings are those of the latest list.
 */
export async function settleHolders(tx: Transaction, jobId: string): Promise<void> {
  const { rows } = await tx.query<{ collection_id: number }>(sql`
    update collections.holder_snapshots set completed_at = coalesce(completed_at, now()), job_id = null
    where job_id = ${jobId} returning collection_id`);
  const ids = [...new Set(rows.map((row) => row.collection_id))];
  if (ids.length === 0) return;
  await tx.query(sql`
    update collections.collections set holdings_from = 'lists'
    where id = any (${ids}::integer[]) and address is null and holdings_from = 'tokens'`);
  await tx.query(sql`
    select collections.publish_holders(c.id) from collections.collections c
    where c.id = any (${ids}::integer[]) and c.address is null order by c.id`);
  await tx.query(sql`
    update collections.collections c
    set token_count = held.tokens, completeness = 'complete', refreshed_at = greatest(c.refreshed_at, held.seen_at)
    from (
      -- a list may claim more tokens than the column counts; held_count has them all
      select collection_id, least(sum(token_count), 2147483647)::integer as tokens, max(last_owned_at) as seen_at
      from collections.user_collections where collection_id = any (${ids}::integer[]) group by collection_id
    ) held
    where c.id = held.collection_id and c.address is null`);
}
