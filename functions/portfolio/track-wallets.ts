import { commit } from '../../shared/changes/commit.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { jobs } from './jobs.ts';
import { recordWallets } from './record-wallets.ts';

/**
 * Begins to track wallets, or stops it. The syncs read what tracked wallets hold, and their values are recorded every five
 * minutes. What is known of a wallet stays when it is no longer tracked.
 */
export const trackWallets = handleJob(jobs.trackWallets, async ({ params, ...run }) => {
  const { wallets, isTracked } = params;
  await commit(async (tx) => {
    await recordWallets(tx, wallets);
    const { rowCount } = await tx.query(
      `with wanted as (
         select id from portfolio.wallets where address = any($1::bytea[]) and is_tracked <> $2 order by id for update)
       update portfolio.wallets w set is_tracked = $2 from wanted where w.id = wanted.id`,
      [wallets.map(toBytes), isTracked],
    );
    const applied = rowCount ?? 0;
    await addProgress(tx, run, { read: wallets.length, applied, unchanged: wallets.length - applied, rejected: 0 });
  });
  return 'done';
});
