import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { jobNamed } from '../../shared/kernel/domain.ts';
import { Conflict } from '../../shared/kernel/errors.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';
import { findJobRun } from './find-job-run.ts';

/**
 * Queues a finished job again, with the same parameters, and returns the new job's id. Rows applied before count as
 * unchanged.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  the job is queued or running, or this version no longer has it
 */
export const retryJob = respond(operations.retryJob, async ({ path }) => {
  const { job: name, params, status } = await findJobRun(path.id);
  if (status === 'queued' || status === 'running')
    throw new Conflict(`The job is ${status}. Wait until it ends, or cancel it first.`);
  const job = jobNamed(domains, name);
  if (!job) throw new Conflict(`This version no longer has the job ${name}. Start another one.`);
  return { jobId: await enqueueJob(job, params, 'the operator'), status: 'queued' };
});
