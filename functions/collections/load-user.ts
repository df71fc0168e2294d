import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { digestOf, isDue, processUnits, quarantine } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { recordCollection } from './record-collection.ts';
import { recordUsers } from './record-users.ts';
import { getAlchemy } from './sources/alchemy.ts';
import { getNeynar } from './sources/neynar.ts';

const maxContracts = 20;

/** Fetches a user's profile and at most 20 of the collections that their wallets hold. @source Neynar, Alchemy */
export const loadUser = handleJob(jobs.loadUser, async ({ params, step, ...run }) => {
  await step('profile');
  const user = await (await getNeynar()).getUser(Number(params.fid));
  if (!user) return 'done';
  await commit((tx) => recordUsers(tx, [user]));
  await step('collections');
  return processUnits(jobs.loadUser, run, await heldContracts(user.wallets ?? [], run.jobId), loadContract);
});

/** The NFT contracts of which the wallets hold tokens, at most 20 that may be tried now. */
async function heldContracts(wallets: readonly string[], jobId: string): Promise<string[]> {
  const alchemy = await getAlchemy();
  const held = new Set<string>();
  for (const wallet of wallets) {
    const { rows, rejected } = await alchemy.getContractsForOwner(wallet, null);
    for (const contract of rows) held.add(contract);
    const failures = rejected.map(({ reason, row }) => ({ unit: digestOf(row), reason, data: row }));
    await quarantine(jobNameOf(jobs.loadUser), jobId, failures);
  }
  const due = await query<{ contract: string }>(
    sql`select contract from unnest(${[...held]}::text[]) with ordinality as held (contract, position)
        where ${isDue(jobs.loadUser, sql`contract`)} order by position limit ${maxContracts}`,
    'sync',
  );
  return due.map(({ contract }) => contract);
}

async function loadContract(contract: string): Promise<undefined> {
  const found = await (await getAlchemy()).getContractMetadata(contract).catch((error: unknown) => {
    if (error instanceof NotFound) return undefined;
    throw error;
  });
  if (!found) return;
  await commit((tx) => recordCollection(tx, found));
  await enqueueJob(jobs.loadCollection, { address: contract }, 'loadUser');
}
