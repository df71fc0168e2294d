import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { lockCollections } from './record-collection.ts';

/** A log that a reorg removed. */
export interface RemovalRecord {
  collection: string;
  transactionHash: string;
  logIndex: number;
  blockHash: string;
  blockNumber: number;
  reportedAt: Date;
}

const stagedRemovals = new TemporaryTable('staged_removals', {
  collection_id: 'integer',
  transaction_hash: 'bytea',
  log_index: 'integer',
  block_hash: 'bytea',
  block_number: 'bigint',
  reported_at: 'timestamptz',
});

/**
 * Removes transfers whose block is no longer part of the chain, and returns how many. Owners are derived from the
 * remaining transfers. The removal is stored, so that an older report of the same log has no effect when it arrives late.
 *
 * A transfer that is final stays: the removal is late, and about another block. One from a file has no hash, so the number
 * of its block decides.
 */
export async function revertTransfers(tx: Transaction, rows: readonly RemovalRecord[]): Promise<Changed> {
  if (rows.length === 0) return { applied: 0, unchanged: 0 };
  const ids = await lockCollections(
    tx,
    rows.map(({ collection }) => collection),
  );
  await stagedRemovals.fill(tx, rows, (row) => ({
    collection_id: ids.get(row.collection),
    transaction_hash: toBytes(row.transactionHash),
    log_index: row.logIndex,
    block_hash: toBytes(row.blockHash),
    block_number: row.blockNumber,
    reported_at: row.reportedAt,
  }));
  await tx.query(sql`
    insert into collections.transfer_removals as r (transaction_hash, log_index, block_hash, removed_at)
    select s.transaction_hash, s.log_index, s.block_hash, max(s.reported_at) from ${stagedRemovals} s
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (transaction_hash, log_index, block_hash) do update set removed_at = excluded.removed_at
      where r.removed_at < excluded.removed_at`);
  const { rowCount } = await tx.query(sql`
    delete from collections.transfers t using ${stagedRemovals} s, collections.nfts n
    where t.transaction_hash = s.transaction_hash and t.log_index = s.log_index
      and n.id = t.nft_id and n.collection_id = s.collection_id
      and case
        when t.reported_at is null then t.block_number = s.block_number
        else t.block_hash = s.block_hash and t.reported_at <= s.reported_at
          and exists (select from collections.unsettled_transfers u where u.transfer_id = t.id)
      end`);
  const applied = Math.min(rowCount ?? 0, rows.length);
  return { applied, unchanged: rows.length - applied };
}
