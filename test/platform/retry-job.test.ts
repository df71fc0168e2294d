import { expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { insertJob } from '../../shared/jobs/job.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createQueue, drain } from '../support/queues.ts';
import { createTestDomain } from '../support/test-domain.ts';

const queue = await createQueue('jobs');
const { call, database } = await createTestDomain('platform', {
  QUEUES: '{}',
  JOBS_QUEUE_URL_WALLETS_BULK: queue.url,
});
const retry = (id: string) => call(`/v1/admin/jobs/${id}/retry`, { method: 'POST' });

test('a retried job runs with the parameters of the first one', async () => {
  const params = { mode: 'full' as const, maxRemovedShare: 0.5 };
  const { id } = await insertJob(jobs.syncHoldings, params, 'test');
  await database.pool.query(`update platform.jobs set status = 'failed', finished_at = now() where id = $1`, [id]);
  const { jobId } = (await retry(id)).json;
  expect(jobId).not.toBe(id);
  expect(await drain(queue.url)).toMatchObject([{ job: 'wallets.syncHoldings', jobId, params }]);
});

test('a job that this version no longer has cannot be retried', async () => {
  const id = ulid();
  await database.pool.query(
    `insert into platform.jobs (id, job, status, requested_by, finished_at)
     values ($1, 'wallets.retired', 'failed', 'test', now())`,
    [id],
  );
  const { status, json } = await retry(id);
  expect([status, json.detail]).toEqual([409, expect.stringContaining('no longer has the job wallets.retired')]);
});
