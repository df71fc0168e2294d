import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { quarantineFailed } from '../../shared/jobs/quarantine.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { type RemovalRecord, revertTransfers } from './revert-transfers.ts';
import { type Block, getAlchemy } from './sources/alchemy.ts';

/**
 * Compares the blocks of unsettled transfers with the chain, in case a reorg's webhook was missed. Transfers in blocks
 * that are not part of it are reverted, as by a removal; those in blocks at or below the finalized one are final.
 *
 * @source Alchemy eth_getBlockByNumber
 */
export async function settleTransfers(run: Run): Promise<void> {
  const unsettled = await unsettledTransfers();
  if (unsettled.length === 0) return;
  const alchemy = await getAlchemy();
  const [finalized] = await alchemy.getBlocks(['finalized']);
  const checkedAt = new Date();
  const canonical = new Map(
    (await alchemy.getBlocks([...new Set(unsettled.map(({ blockNumber }) => blockNumber))]))
      .filter((block) => block !== undefined)
      .map(({ number, hash }) => [number, hash]),
  );
  // a block that the chain has not reached again is left for the next run
  const known = unsettled.filter(({ blockNumber }) => canonical.has(blockNumber));
  const orphaned = known
    .filter(({ blockNumber, blockHash }) => canonical.get(blockNumber) !== blockHash)
    .map((one) => ({ ...one, reportedAt: checkedAt }));
  const removals = Map.groupBy(orphaned, ({ collection }) => collection);
  for (const [collection, ofCollection] of removals)
    await commit((tx) => revertTransfers(tx, ofCollection)).catch((error: unknown) =>
      quarantineFailed(jobNameOf(jobs.syncTransfers), run, collection, error),
    );
  if (finalized) await settle([...canonical].filter(([number]) => number <= finalized.number));
}

function unsettledTransfers(): Promise<Omit<RemovalRecord, 'reportedAt'>[]> {
  return query(
    sql`select distinct collections.name_of(c.address, c.slug) as collection, t.log_index as "logIndex",
          '0x' || encode(t.transaction_hash, 'hex') as "transactionHash",
          t.block_number::float8 as "blockNumber", '0x' || encode(t.block_hash, 'hex') as "blockHash"
        from collections.unsettled_transfers u
        join collections.transfers t on t.id = u.transfer_id
        join collections.nfts n on n.id = t.nft_id
        join collections.collections c on c.id = n.collection_id`,
    'sync',
  );
}

/** Makes the transfers in these blocks final. */
async function settle(blocks: (readonly [Block['number'], Block['hash']])[]): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `delete from collections.unsettled_transfers where transfer_id in (
         select u.transfer_id
         from unnest($1::bigint[], $2::bytea[]) as b (number, hash)
         join collections.transfers t on (t.block_number, t.block_hash) = (b.number, b.hash)
         join collections.unsettled_transfers u on u.transfer_id = t.id
         for update of u skip locked)`,
      [blocks.map(([number]) => number), blocks.map(([, hash]) => toBytes(hash))],
    ),
  );
}
