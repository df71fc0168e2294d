import { commit } from '../../shared/changes/commit.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { recordCollection } from './record-collection.ts';
import { recordUsers } from './record-users.ts';
import { getAlchemy } from './sources/alchemy.ts';
import { getNeynar } from './sources/neynar.ts';

const maxContracts = 20;

/** Fetches a user's profile and at most 20 of the collections that their wallets hold. @source Neynar, Alchemy */
export const loadUser = handleJob(jobs.loadUser, async ({ params, step }) => {
  await step('profile');
  const [user] = await (await getNeynar()).getUsers([Number(params.fid)]);
  if (!user) return 'done';
  await commit((tx) => recordUsers(tx, [user]));
  await step('collections');
  const alchemy = await getAlchemy();
  const contracts = new Set<string>();
  for (const wallet of user.wallets) {
    for (const contract of (await alchemy.getContractsForOwner(wallet, null)).rows) contracts.add(contract);
  }
  for (const contract of [...contracts].slice(0, maxContracts)) {
    const found = await alchemy.getContractMetadata(contract);
    await commit((tx) => recordCollection(tx, found));
    await enqueueJob(jobs.loadCollection, { address: contract }, 'loadUser');
  }
  return 'done';
});
