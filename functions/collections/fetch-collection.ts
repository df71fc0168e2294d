import { commit } from '../../shared/changes/commit.ts';
import type { Request } from '../../shared/http/request.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { isAddress, toBytes } from '../../shared/kernel/address.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { jobs } from './jobs.ts';
import { recordCollection } from './record-collection.ts';

/**
 * Fetches a collection that is not stored yet: its metadata at once, the rest in a job. Returns whether it exists.
 *
 * @throws RateLimited  the client's budget for such reads, or that of all clients, is exhausted
 * @throws Upstream     Alchemy did not respond (retryable)
 */
export async function fetchCollection(name: string, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  if (!(await recordMetadata(name, request))) return false;
  await enqueueJob(jobs.loadCollection, { address: name }, 'first read');
  return true;
}

/** Fetches and stores the metadata of an unknown collection. Returns false if it is unknown upstream too. */
export async function recordMetadata(name: string, request: Pick<Request, 'clientIp'>): Promise<boolean> {
  if (!isAddress(name)) return false;
  // most reads need no upstream, so the client is loaded only here
  const [{ getAlchemy }, { takeFirstRead }] = await Promise.all([
    import('./sources/alchemy.ts'),
    import('./first-reads.ts'),
  ]);
  await takeFirstRead(request.clientIp);
  const alchemy = await getAlchemy();
  const found = await alchemy.getContractMetadata(name).catch((error: unknown) => {
    if (error instanceof NotFound) return undefined;
    throw error;
  });
  if (!found) {
    // an import may have stored it: do not ask upstream again on every read
    await commit((tx) =>
      tx.query('update collections.collections set refreshed_at = now() where address = $1', [toBytes(name)]),
    );
    return false;
  }
  await commit((tx) => recordCollection(tx, found));
  return true;
}
