import { commit } from '../../shared/changes/commit.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { pagesOf } from './pages-of.ts';
import { recordCollection } from './record-collection.ts';
import { recordNfts } from './record-nfts.ts';
import { syncOwnersOf } from './sync-owners.ts';
import { syncTransfersOf } from './sync-transfers.ts';
import { getAlchemy } from './upstreams.ts';
import { warmCollection } from './warm-collection.ts';

/**
 * The job: metadata, tokens with their traits, owners, new transfers; then the views that will be asked for first.
 * Resumable: each step goes on from its own checkpoint, and one that was done is quick, since what stands writes nothing.
 *
 * @source Alchemy
 */
export async function loadCollection({ jobId, params, deadline, step }: JobContext): Promise<'done' | 'continue'> {
  const address = params.address as string;
  const alchemy = await getAlchemy();
  const run = { jobId, deadline };

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
  if ((await syncOwnersOf(address, run)) === 'continue') return 'continue';

  await step('transfers');
  if ((await syncTransfersOf(address, run)) === 'continue') return 'continue';

  await commit((tx) => announceRefresh(tx, address));
  await step('warming');
  await warmCollection(address);
  return 'done';
}

async function announceRefresh(tx: Transaction, address: string): Promise<void> {
  await tx.query(
    `update collections.collections set completeness = 'complete', refreshed_at = now() where address = $1`,
    [toBytes(address)],
  );
  await tx.query(`select platform.announce('collection_refreshed', array['collections:' || $1])`, [address]);
}
