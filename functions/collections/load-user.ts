import { commit } from '../../shared/changes/commit.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { recordCollection } from './record-collection.ts';
import { recordUsers } from './record-users.ts';
import { getAlchemy, getNeynar } from './upstreams.ts';

const contractsAUser = 20;

/** The job: one user's profile, and the collections their wallets hold that are not known yet, at most 20. */
export async function loadUser({ params, step }: JobContext): Promise<'done'> {
  await step('profile');
  const [user] = await (await getNeynar()).getUsers([Number(params.fid)]);
  if (!user) return 'done';
  await commit((tx) => recordUsers(tx, [user]));
  await step('collections');
  const alchemy = await getAlchemy();
  const contracts = new Set<string>();
  for (const wallet of user.wallets) {
    for (const contract of (await alchemy.getContractsOfOwner(wallet, null)).rows) contracts.add(contract);
  }
  for (const contract of [...contracts].slice(0, contractsAUser)) {
    const found = await alchemy.getContractMetadata(contract);
    await commit((tx) => recordCollection(tx, found));
    await enqueueJob('collections.loadCollection', { address: contract }, 'loadUser');
  }
  return 'done';
}
