import { commit } from '../../shared/changes/commit.ts';
import type { Request } from '../../shared/http/request.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { jobs } from './jobs.ts';
import { recordUsers } from './record-users.ts';

/**
 * Fetches a Farcaster user who is not stored yet: the profile at once, the collections of their wallets in a job. Returns
 * whether the user exists.
 *
 * @throws RateLimited  the client's budget for such reads, or that of all clients, is exhausted
 * @throws Upstream     Neynar did not respond, or its user is malformed (retryable)
 */
export async function fetchUser(fid: string, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  const [{ getNeynar }, { takeFirstRead }] = await Promise.all([
    import('./sources/neynar.ts'),
    import('./first-reads.ts'),
  ]);
  await takeFirstRead(request.clientIp);
  const user = await (await getNeynar()).getUser(Number(fid));
  if (!user) return false;
  await commit((tx) => recordUsers(tx, [user]));
  await enqueueJob(jobs.loadUser, { fid }, 'first read');
  return true;
}
