import { commit } from '../../shared/db/transaction.ts';
import type { Request } from '../../shared/http/request.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { recordCollection } from './record-collection.ts';
import { recordUsers } from './record-users.ts';
import { getAlchemy, getFirstReads, getNeynar } from './upstreams.ts';

const contractsAUser = 20;

/**
 * Fetches a Farcaster user whom nobody has asked for yet: the profile at once, the collections of their wallets by a job.
 * True if the user is there now.
 *
 * @throws RateLimited  the client's budget for such reads, or that of all, is used up
 * @throws Upstream     Neynar does not answer (retryable)
 */
export async function fetchUser(fid: number, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  const { perClient, inAll } = await getFirstReads();
  await perClient.take(request.clientIp);
  await inAll.take('all');
  const [user] = await (await getNeynar()).getUsers([fid]);
  if (!user) return false;
  await commit((tx) => recordUsers(tx, [user]));
  await enqueueJob('collections.fetchUser', { fid: String(fid) }, 'first read');
  return true;
}

/** The job: one user's profile, and the collections their wallets hold that are not known yet, at most 20. */
export async function fetchUserJob({ params, step }: JobContext): Promise<'done'> {
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
    await enqueueJob('collections.refreshCollection', { address: contract }, 'fetchUser');
  }
  return 'done';
}
