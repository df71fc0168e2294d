/** A job that goes on is found by its message: no late heartbeat holds its lease. */
import { expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { enqueueJob, extendLease, releaseJob, startJob } from '../../shared/jobs/job.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';

const queue = await createQueue('jobs');
const { database } = await createCollections({ JOBS_QUEUE_URL_COLLECTIONS_BULK: queue.url });

test('a job that goes on is not left without a message by a heartbeat of its former worker', async () => {
  const jobId = await enqueueJob(jobs.syncUsers, {}, 'test');
  const [message] = await drain(queue.url);
  const { token } = (await startJob(jobId))!;
  const run = { jobId, token, deadline: new Date() };
  // what runJob does for `continue`; its timer fires while SQS takes the message (it stops only after runOnce)
  await releaseJob(run, { dueInSeconds: 0, attempts: 0 });
  await extendLease(run);
  let ran = 0;
  await stubEtl(collections, async () => {
    ran++;
    return 'done';
  })(message);
  const { rows } = await database.pool.query('select status from platform.jobs where id = $1', [jobId]);
  // the message is gone: nothing continues the job until somebody asks for it again, which nobody does for an import
  expect([ran, rows[0].status, (await drain(queue.url)).length]).toEqual([1, 'succeeded', 0]);
});
