import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { lockCollections } from './record-collection.ts';

/** A log that a reorg took back. */
export interface RemovalRecord {
  collection: string;
  transactionHash: string;
  logIndex: number;
  blockHash: string;
  blockNumber: number;
  reportedAt: Date;
}

const columns = {
  collection_id: 'integer',
  transaction_hash: 'bytea',
  log_index: 'integer',
  block_hash: 'bytea',
  block_number: 'bigint',
  reported_at: 'timestamptz',
} as const;

/**
 * Takes transfers back whose block is no longer part of the chain; how many there were. The owners follow from what
 * remains. The removal is remembered, so that an older report of the same log, delivered late, comes to nothing.
 */
export async function revertTransfers(tx: Transaction, rows: readonly RemovalRecord[]): Promise<Changed> {
  if (rows.length === 0) return { applied: 0, unchanged: 0 };
  const ids = await lockCollections(
    tx,
    rows.map(({ collection }) => collection),
  );
  await stageRows(
    tx,
    'staged_removals',
    columns,
    rows.map((row) => [
      ids.get(row.collection)!,
      toBytes(row.transactionHash),
      row.logIndex,
      toBytes(row.blockHash),
      row.blockNumber,
      row.reportedAt,
    ]),
  );
  await tx.query(`
    insert into collections.transfer_removals as r (transaction_hash, log_index, block_hash, removed_at)
    select s.transaction_hash, s.log_index, s.block_hash, max(s.reported_at) from pg_temp.staged_removals s
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (transaction_hash, log_index, block_hash) do update set removed_at = excluded.removed_at
      where r.removed_at < excluded.removed_at`);
  const { rowCount } = await tx.query(`
    delete from collections.transfers t using pg_temp.staged_removals s, collections.nfts n
    where t.transaction_hash = s.transaction_hash and t.log_index = s.log_index
      and n.id = t.nft_id and n.collection_id = s.collection_id
      and (t.block_hash = s.block_hash or (t.block_hash is null and t.block_number = s.block_number))
      and coalesce(t.reported_at <= s.reported_at, true)`);
  const applied = Math.min(rowCount ?? 0, rows.length);
  return { applied, unchanged: rows.length - applied };
}
