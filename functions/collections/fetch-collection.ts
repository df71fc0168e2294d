import { commit } from '../../shared/changes/commit.ts';
import type { Request } from '../../shared/http/request.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { recordCollection } from './record-collection.ts';

/**
 * Fetches a collection that nobody has asked for yet: its metadata at once, the rest by a job. True if it is there now.
 *
 * @throws RateLimited  the client's budget for such reads, or that of all, is used up
 * @throws Upstream     Alchemy does not answer (retryable)
 */
export async function fetchCollection(name: string, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  if (!(await recordMetadata(name, request))) return false;
  await enqueueJob('collections.loadCollection', { address: name }, 'first read');
  return true;
}

/** Fetches and records the metadata of a collection that is not known yet. False if upstream does not know it. */
export async function recordMetadata(name: string, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  if (!name.startsWith('0x')) return false;
  // what asks upstreams is loaded when one is asked: most reads never do
  const { getAlchemy, getFirstReads } = await import('./upstreams.ts');
  const { perClient, inAll } = await getFirstReads();
  await perClient.take(request.clientIp);
  await inAll.take('all');
  const alchemy = await getAlchemy();
  const found = await alchemy.getContractMetadata(name).catch((error: unknown) => {
    if (error instanceof NotFound) return undefined;
    throw error;
  });
  if (!found) {
    // known by an import alone: upstream is not asked again at every read
    await commit((tx) =>
      tx.query('update collections.collections set refreshed_at = now() where address = $1', [toBytes(name)]),
    );
    return false;
  }
  await commit((tx) => recordCollection(tx, found));
  return true;
}
