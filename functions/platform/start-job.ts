import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { jobNamed } from '../../shared/kernel/domain.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';

/**
 * Queues a job and returns its id. If the same job with the same parameters is already queued or running, returns the id
 * of that one.
 *
 * @throws NotFound      no domain has such a job
 * @throws InvalidInput  the parameters do not match the job's
 */
export const startJob = respond(operations.startJob, async ({ body }) => {
  const job = jobNamed(domains, body.job);
  if (!job) throw new NotFound(`No domain has a job ${body.job}. Check the name.`);
  return { jobId: await enqueueJob(job, body.params, 'the operator'), status: 'queued' };
});
