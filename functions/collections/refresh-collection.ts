import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';
import { recordMetadata } from './fetch-collection.ts';
import { jobs } from './jobs.ts';

/**
 * Queues a refresh of a collection from upstream and returns the job's id. If one is already queued or running, returns
 * the id of that one.
 *
 * @throws NotFound     the collection is unknown, here and upstream
 * @throws RateLimited  the collection must be fetched first, and the budget for that is exhausted
 */
export const refreshCollection = respond(operations.refreshCollection, async ({ path }, request) => {
  const known = await query(
    sql`select 1 from collections.collections c where ${collectionNamed(path.address)}`,
    'sync',
  );
  if (known.length === 0 && !(await recordMetadata(path.address, request))) {
    throw new NotFound(`Unknown collection ${path.address}. Check the address.`);
  }
  const jobId = await enqueueJob(jobs.loadCollection, { address: path.address }, 'a client');
  return { jobId, status: 'queued' };
});
