import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { jobJson } from './job-json.ts';

/**
 * The status, progress, and result of a job. Read from the writer, never cached.
 *
 * @throws NotFound  there is no such job
 */
export const getJob = respond(operations.getJob, async ({ path }) => {
  const [row] = await query<{ job: OperationResponse<typeof operations.getJob> }>(
    sql`select ${jobJson} as job from platform.jobs j where j.id = ${path.id}`,
    'sync',
  );
  if (!row) throw new NotFound(`Unknown job ${path.id}. List jobs with GET /v1/jobs.`);
  return row.job;
});
