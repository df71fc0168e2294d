import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { JobStatus } from '../../shared/jobs/job.ts';
import { NotFound } from '../../shared/kernel/errors.ts';

/** A job's name, parameters, and status. @throws NotFound  there is no such job */
export async function findJobRun(
  id: string,
): Promise<{ job: string; params: Record<string, unknown>; status: JobStatus }> {
  const [row] = await query<{ job: string; params: Record<string, unknown>; status: JobStatus }>(
    sql`select job, params, status from platform.jobs where id = ${id}`,
    'sync',
  );
  if (!row) throw new NotFound(`Unknown job ${id}. List jobs with GET /v1/jobs.`);
  return row;
}
