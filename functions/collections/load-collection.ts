import { commit } from '../../shared/changes/commit.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { pagesOf } from '../../shared/upstream/pages.ts';
import { jobs } from './jobs.ts';
import { recordCollection } from './record-collection.ts';
import { recordNfts } from './record-nfts.ts';
import { getAlchemy } from './sources/alchemy.ts';
import { syncCollectionOwners } from './sync-owners.ts';
import { syncCollectionTransfers } from './sync-transfers.ts';
import { warmCollection } from './warm-collection.ts';

/**
 * Fetches metadata, tokens with their traits, owners, and new transfers, then warms the views that clients request first.
 * Resumable: each step continues from its own checkpoint. A finished step is quick to repeat, because unchanged rows are
 * not written.
 *
 * @source Alchemy
 */
export const loadCollection = handleJob(jobs.loadCollection, async ({ params: { address }, step, ...run }) => {
  const alchemy = await getAlchemy();

  await step('metadata');
  const metadata = await alchemy.getContractMetadata(address);
  await commit((tx) => recordCollection(tx, metadata));

  await step('tokens', Number(metadata.totalSupply ?? 0) || undefined);
  const tokens = await runSync(
    {
      name: `collections.nfts:${address}`,
      read: (position) => pagesOf(position, (key) => alchemy.getNfts(address, key)),
      apply: recordNfts,
    },
    run,
  );
  if (tokens === 'continue') return tokens;

  await step('owners');
  if ((await syncCollectionOwners(address, run)) === 'continue') return 'continue';

  await step('transfers');
  if ((await syncCollectionTransfers(address, run)) === 'continue') return 'continue';

  await commit((tx) => announceRefresh(tx, address));
  await step('warming');
  await warmCollection(address);
  return 'done';
});

async function announceRefresh(tx: Transaction, address: string): Promise<void> {
  await tx.query(
    `update collections.collections set completeness = 'complete', refreshed_at = now() where address = $1`,
    [toBytes(address)],
  );
  await tx.query(`select platform.announce('collection_refreshed', array['collections:' || $1])`, [address]);
}
