import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { jobNamed } from '../../shared/kernel/domain.ts';
import { Conflict } from '../../shared/kernel/errors.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';
import { findJobRun } from './find-job-run.ts';

/**
 * Queues a job that has ended once more, with the same parameters, and returns the new job's id. What it applied before
 * counts as unchanged.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  it is queued or running, or this version has no such job any more
 */
export const retryJob = respond(operations.retryJob, async ({ path }) => {
  const { job: name, params, status } = await findJobRun(path.id);
  if (status === 'queued' || status === 'running') throw new Conflict(`The job is ${status}.`);
  const job = jobNamed(domains, name);
  if (!job) throw new Conflict(`This version has no job ${name}.`);
  return { jobId: await enqueueJob(job, params, 'the operator'), status: 'queued' };
});
