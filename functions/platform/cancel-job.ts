import { respond } from '../../shared/http/endpoint.ts';
import { cancelJob as cancel } from '../../shared/jobs/job.ts';
import { operations } from './contract.ts';
import { findJobRun } from './find-job-run.ts';

/**
 * Ends a job that is queued or running. One that runs stops at its next batch, which does not commit; what it has
 * committed stands.
 *
 * @throws NotFound  there is no such job
 * @throws Conflict  it has ended already
 */
export const cancelJob = respond(operations.cancelJob, async ({ path }) => {
  await findJobRun(path.id);
  await cancel(path.id, 'the operator');
  return { jobId: path.id, status: 'cancelled' };
});
