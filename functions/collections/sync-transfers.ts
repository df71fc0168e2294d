import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { type Run, runSync } from '../../shared/jobs/sync.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { pagesOf } from './pages-of.ts';
import { recordTransfers } from './record-transfers.ts';
import { getAlchemy } from './upstreams.ts';

/** Blocks before the watermark that are read again, for what a reorg may have changed. */
const overlapBlocks = 64;

/**
 * Catches up on one collection's transfers, from a little before the block up to which they are known.
 *
 * @source Alchemy alchemy_getAssetTransfers
 */
export async function syncTransfersOf(address: string, run: Run): Promise<'done' | 'continue'> {
  const alchemy = await getAlchemy();
  const head = await alchemy.getBlockNumber();
  const [known] = await query<{ transfers_block: string | null }>(
    sql`select transfers_block::text from collections.collections where address = ${toBytes(address)}`,
    'sync',
  );
  const from = known?.transfers_block ? Math.max(0, Number(known.transfers_block) - overlapBlocks) : 0;
  const outcome = await runSync(
    {
      name: `collections.transfers:${address}`,
      read: (position) => pagesOf(position, (key) => alchemy.getTransfers(address, from, head, key)),
      apply: recordTransfers,
    },
    run,
  );
  if (outcome === 'done') {
    await commit((tx) =>
      tx.query(
        `update collections.collections set transfers_block = greatest(transfers_block, $2) where address = $1`,
        [toBytes(address), head],
      ),
    );
  }
  return outcome;
}

/** The job: every complete collection, the one known least far first. */
export async function syncTransfers({ jobId, deadline, step }: JobContext): Promise<'done' | 'continue'> {
  const rows = await query<{ address: string }>(
    sql`select collections.name_of(address, slug) as address from collections.collections
        where address is not null and completeness = 'complete' and deployed_block is not null order by transfers_block nulls first`,
    'sync',
  );
  for (const { address } of rows) {
    await step(address);
    if ((await syncTransfersOf(address, { jobId, deadline })) === 'continue') return 'continue';
    if (Date.now() >= deadline.getTime()) return 'continue';
  }
  return 'done';
}
