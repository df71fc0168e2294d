import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { isDue, processUnits } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { pagesOf } from '../../shared/upstream/pages.ts';
import { jobs } from './jobs.ts';
import { recordTransfers } from './record-transfers.ts';
import { getAlchemy } from './sources/alchemy.ts';

/** How many blocks before the last synced block are read again, because a reorg may have changed them. */
const overlapBlocks = 64;

/**
 * Syncs the new transfers of one collection, starting 64 blocks before the last synced block.
 *
 * @source Alchemy alchemy_getAssetTransfers
 */
export async function syncCollectionTransfers(address: string, run: Run): Promise<'done' | 'continue'> {
  const alchemy = await getAlchemy();
  const latestBlock = await alchemy.getBlockNumber();
  const [stored] = await query<{ transfers_block: string | null }>(
    sql`select transfers_block::text from collections.collections where address = ${toBytes(address)}`,
    'sync',
  );
  const from = stored?.transfers_block ? Math.max(0, Number(stored.transfers_block) - overlapBlocks) : 0;
  const outcome = await runSync(
    {
      name: `collections.transfers:${address}`,
      read: (position) => pagesOf(position, (key) => alchemy.getTransfers(address, from, latestBlock, key)),
      apply: recordTransfers,
    },
    run,
  );
  if (outcome === 'done') {
    await commit((tx) =>
      tx.query(
        `update collections.collections set transfers_block = greatest(transfers_block, $2), transfers_synced_at = now()
         where address = $1`,
        [toBytes(address), latestBlock],
      ),
    );
  }
  return outcome;
}

/** At this many, a run's requests take a fifth of the upstream's budget until the next run. */
const maxCollections = 1_500;

/**
 * Syncs the new transfers of the complete collections synced longest ago, at most 1,500 per run.
 *
 * @source Alchemy alchemy_getAssetTransfers
 */
export const syncTransfers = handleJob(jobs.syncTransfers, async ({ step, ...run }) => {
  const rows = await query<{ address: string }>(
    sql`select collections.name_of(address, slug) as address from collections.collections
        where address is not null and completeness = 'complete' and deployed_block is not null
          and ${isDue(jobs.syncTransfers, sql`collections.name_of(address, slug)`)}
        order by transfers_synced_at nulls first, id limit ${maxCollections}`,
    'sync',
  );
  const addresses = rows.map(({ address }) => address);
  return processUnits(jobs.syncTransfers, run, addresses, async (address) => {
    await step(address);
    return syncCollectionTransfers(address, run);
  });
});
