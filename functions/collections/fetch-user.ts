import { commit } from '../../shared/changes/commit.ts';
import type { Request } from '../../shared/http/request.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { recordUsers } from './record-users.ts';

/**
 * Fetches a Farcaster user whom nobody has asked for yet: the profile at once, the collections of their wallets by a job.
 * True if the user is there now.
 *
 * @throws RateLimited  the client's budget for such reads, or that of all, is used up
 * @throws Upstream     Neynar does not answer (retryable)
 */
export async function fetchUser(fid: number, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  const { getFirstReads, getNeynar } = await import('./upstreams.ts');
  const { perClient, inAll } = await getFirstReads();
  await perClient.take(request.clientIp);
  await inAll.take('all');
  const [user] = await (await getNeynar()).getUsers([fid]);
  if (!user) return false;
  await commit((tx) => recordUsers(tx, [user]));
  await enqueueJob('collections.loadUser', { fid: String(fid) }, 'first read');
  return true;
}
