import { respond } from '../../shared/http/endpoint.ts';
import { cancelJob as cancel } from '../../shared/jobs/job.ts';
import { operations } from './contract.ts';
import { findJobRun } from './find-job-run.ts';

/**
 * Cancels a queued or running job. A running job stops at its next batch, which does not commit. Batches committed before
 * that stay applied.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  the job has already ended
 */
export const cancelJob = respond(operations.cancelJob, async ({ path }) => {
  await findJobRun(path.id);
  await cancel(path.id, 'the operator');
  return { jobId: path.id, status: 'cancelled' };
});
