import sql from 'sql-template-tag';

/** A job of `platform.jobs j` as JSON in responses. */
export const jobJson = sql`jsonb_build_object(
  'id', j.id, 'job', j.job, 'params', j.params, 'status', j.status,
  'progress', jsonb_build_object('read', j.rows_read, 'applied', j.rows_applied, 'unchanged', j.rows_unchanged,
    'rejected', j.rows_rejected, 'total', j.rows_total, 'percent', j.percent, 'step', j.step,
    'estimatedEnd', platform.iso(case when j.status = 'running' and j.percent > 0
      then j.started_at + (j.updated_at - j.started_at) * (100 / j.percent) end)),
  'attempts', j.attempts, 'error', j.error, 'result', j.result,
  'rejectedRows', case when j.rows_rejected > 0 then '/v1/jobs/' || j.id || '/rejected-rows' end,
  'requestedBy', j.requested_by, 'createdAt', platform.iso(j.created_at), 'startedAt', platform.iso(j.started_at),
  'updatedAt', platform.iso(j.updated_at), 'finishedAt', platform.iso(j.finished_at))`;
