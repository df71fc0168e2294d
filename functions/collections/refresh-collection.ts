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
 * Queues a refresh of a collection from upstream and returns the job's id; that of a refresh already queued or running.
 *
 * @throws NotFound     neither we nor upstream know the collection
 * @throws RateLimited  it would have to be fetched first, and the budget for that is exhausted
 */
export const refreshCollection = respond(operations.refreshCollection, async ({ path }, request) => {
  const known = await query(
    sql`select 1 from collections.collections c where ${collectionNamed(path.address)}`,
    'sync',
  );
  if (known.length === 0 && !(await recordMetadata(path.address, request))) {
    throw new NotFound(`There is no collection ${path.address}.`);
  }
  const jobId = await enqueueJob(jobs.loadCollection, { address: path.address }, 'a client');
  return { jobId, status: 'queued' };
});
