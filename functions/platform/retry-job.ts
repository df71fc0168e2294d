import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { Conflict } from '../../shared/kernel/errors.ts';
import * as contract from './contract.ts';
import { jobNamed } from './job-named.ts';

/**
 * Queues the work of a job that has ended once more, with the same parameters, and gives the new job's id. What it has
 * written already is not written again.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  it is queued or running
 */
export const retryJob = respond(contract.retryJob, async ({ path }) => {
  const { job, params, status } = await jobNamed(path.id);
  if (status === 'queued' || status === 'running') throw new Conflict(`The job is ${status}: it need not be retried.`);
  return { jobId: await enqueueJob(job, params, 'the operator'), status: 'queued' };
});
