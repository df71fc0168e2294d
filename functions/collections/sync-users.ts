import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import { addProgress, type Run } from '../../shared/jobs/job.ts';
import {
  assertFewQuarantined,
  digestOf,
  type Failure,
  isDue,
  quarantine,
  release,
} from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { InvalidInput } from '../../shared/kernel/errors.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { recordUsers } from './record-users.ts';
import { getNeynar, type Neynar, type Users } from './sources/neynar.ts';

const source = jobNameOf(jobs.syncUsers);
const batchSize = 100;
const refreshAfterHours = 12;

/**
 * Refreshes the Farcaster users whose wallets hold tokens, least recently refreshed first. A user that Neynar refuses, or
 * that is malformed, is quarantined.
 *
 * @throws Integrity  more than 5% of the users failed for the first time; all others were refreshed
 * @source Neynar user/bulk
 */
export const syncUsers = handleJob(jobs.syncUsers, async ({ step, ...run }) => {
  const neynar = await getNeynar();
  await step('users');
  for (let asked = 0; ; ) {
    const fids = await nextUsers();
    if (fids.length === 0) {
      await assertFewQuarantined(source, run, asked);
      return 'done';
    }
    asked += fids.length;
    await refresh(await fetchUsers(neynar, fids), fids, run);
    if (Date.now() >= run.deadline.getTime()) return 'continue';
  }
});

async function nextUsers(): Promise<number[]> {
  const rows = await query<{ fid: string }>(
    sql`select u.fid::text as fid from collections.fc_users u
        where (u.refreshed_at is null or u.refreshed_at < now() - make_interval(hours => ${refreshAfterHours}::integer))
          and exists (select 1 from collections.fc_user_wallets w join collections.user_collections h on h.user_address = w.wallet
                      where w.fid = u.fid)
          and ${isDue(jobs.syncUsers, sql`u.fid::text`)}
        order by u.refreshed_at nulls first, u.fid limit ${batchSize}`,
    'sync',
  );
  return rows.map(({ fid }) => Number(fid));
}

/** Fetches users. If Neynar refuses the request, asks for each half, so that one id costs itself alone. */
async function fetchUsers(neynar: Neynar, fids: readonly number[]): Promise<Users> {
  try {
    return await neynar.getUsers(fids);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    if (fids.length === 1) return { rows: [], rejected: [{ fid: fids[0], reason: error.message, row: null }] };
    const middle = Math.ceil(fids.length / 2);
    const first = await fetchUsers(neynar, fids.slice(0, middle));
    const second = await fetchUsers(neynar, fids.slice(middle));
    return { rows: [...first.rows, ...second.rows], rejected: [...first.rejected, ...second.rejected] };
  }
}

/** Stores the users that were asked for, and quarantines the malformed ones. */
async function refresh({ rows, rejected }: Users, asked: readonly number[], run: Run): Promise<void> {
  const failures = rejected.map(
    ({ fid, reason, row }): Failure => ({ unit: fid === undefined ? digestOf(row) : String(fid), reason, data: row }),
  );
  const failed = new Set(rejected.map(({ fid }) => fid));
  await quarantine(source, run.jobId, failures);
  // unchanged and unknown users too, so that the next batch has others
  const refreshed = asked.filter((fid) => !failed.has(fid));
  await commit(async (tx) => {
    const changed = await recordUsers(tx, rows);
    await tx.query(`update collections.fc_users set refreshed_at = now() where fid = any($1::bigint[])`, [refreshed]);
    await addProgress(tx, run, { read: asked.length, rejected: rejected.length, ...changed });
  });
  await release(
    source,
    rows.map(({ fid }) => String(fid)),
  );
}
