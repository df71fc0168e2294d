import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import type { OperationResponse } from '../../shared/kernel/declaration.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import * as contract from './contract.ts';

/**
 * How a job stands, read from the writer: never from a cache.
 *
 * @throws NotFound  there is no such job
 */
export const getJob = respond(contract.getJob, async ({ path }) => {
  const [row] = await query<{ job: OperationResponse<typeof contract.getJob> }>(
    sql`select jsonb_build_object(
          'id', id, 'job', job, 'status', status,
          'progress', jsonb_build_object('read', rows_read, 'applied', rows_applied, 'unchanged', rows_unchanged,
            'rejected', rows_rejected, 'total', rows_total, 'percent', percent, 'step', step),
          'attempts', attempts, 'error', error,
          'rejectedRows', case when rows_rejected > 0 then '/v1/jobs/' || id || '/rejected-rows' end,
          'requestedBy', requested_by, 'createdAt', platform.iso(created_at), 'startedAt', platform.iso(started_at),
          'finishedAt', platform.iso(finished_at)) as job
        from platform.jobs where id = ${path.id}`,
    'sync',
  );
  if (!row) throw new NotFound(`There is no job ${path.id}.`);
  return row.job;
});
