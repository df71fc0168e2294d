import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { collectionNamed } from './collection-named.ts';
import * as contract from './contract.ts';
import { recordMetadata } from './fetch-collection.ts';

/**
 * Queues a refresh of a collection from upstream, and gives the job's id; the one that is under way, if there is one.
 *
 * @throws NotFound     nobody knows the collection
 * @throws RateLimited  nobody has asked for it yet, and the budget for such reads is used up
 */
export const refreshCollection = respond(contract.refreshCollection, async ({ path }, request) => {
  const known = await query(
    sql`select 1 from collections.collections c where ${collectionNamed(path.address)}`,
    'sync',
  );
  if (known.length === 0 && !(await recordMetadata(path.address, request))) {
    throw new NotFound(`Nobody knows a collection ${path.address}.`);
  }
  const jobId = await enqueueJob('collections.loadCollection', { address: path.address }, 'a client');
  return { jobId, status: 'queued' };
});
