import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { recordUsers } from './record-users.ts';
import { getNeynar } from './sources/neynar.ts';

const batchSize = 100;
const refreshAfterHours = 12;

/**
 * Refreshes the Farcaster users whose wallets hold tokens, least recently refreshed first.
 *
 * @source Neynar user/bulk
 */
export const syncUsers = handleJob(jobs.syncUsers, async ({ step, ...run }) => {
  const neynar = await getNeynar();
  await step('users');
  for (;;) {
    const rows = await query<{ fid: string }>(
      sql`select u.fid::text as fid from collections.fc_users u
          where (u.refreshed_at is null or u.refreshed_at < now() - make_interval(hours => ${refreshAfterHours}::integer))
            and exists (select 1 from collections.fc_user_wallets w join collections.user_collections h on h.user_address = w.wallet
                        where w.fid = u.fid)
          order by u.refreshed_at nulls first, u.fid limit ${batchSize}`,
      'sync',
    );
    if (rows.length === 0) return 'done';
    const fids = rows.map(({ fid }) => Number(fid));
    const users = await neynar.getUsers(fids);
    await commit(async (tx) => {
      const changed = await recordUsers(tx, users);
      await addProgress(tx, run, { read: fids.length, rejected: 0, ...changed });
    });
    // unchanged and missing users too, so that the next iteration picks others
    await inTransaction((tx) =>
      tx.query(`update collections.fc_users set refreshed_at = now() where fid = any($1::bigint[])`, [fids]),
    );
    if (Date.now() >= run.deadline.getTime()) return 'continue';
  }
});
