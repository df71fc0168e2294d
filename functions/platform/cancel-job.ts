import { respond } from '../../shared/http/endpoint.ts';
import { cancelJob as cancel, enqueueJob } from '../../shared/jobs/job.ts';
import { jobNamed } from '../../shared/kernel/domain.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';
import { findJobRun } from './find-job-run.ts';

/**
 * Cancels a queued or running job. A running job stops at its next batch, which does not commit. Batches committed before
 * that stay applied. If an event requested another run meanwhile, that run is queued.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  the job has already ended
 */
export const cancelJob = respond(operations.cancelJob, async ({ path }) => {
  const { job: name, params } = await findJobRun(path.id);
  const runAgain = await cancel(path.id, 'the operator');
  const job = jobNamed(domains, name);
  if (runAgain && job) await enqueueJob(job, params, 'event');
  return { jobId: path.id, status: 'cancelled' };
});
