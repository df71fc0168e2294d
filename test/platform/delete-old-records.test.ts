import { expect, test } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { database, runMessage, jobRow } = await createTestDomain('platform', { QUEUES: '{}' });

test('ended jobs are kept for 14 days, failed and cancelled ones for 90; deliveries for 14', async () => {
  const kept: string[] = [];
  for (const [status, days, isKept] of [
    ['succeeded', 13, true],
    ['succeeded', 15, false],
    ['failed', 15, true],
    ['cancelled', 89, true],
    ['failed', 91, false],
    ['cancelled', 91, false],
    ['queued', 100, true],
    ['running', 100, true],
  ] as const) {
    const name = `test.${status}${days}`;
    const hasEnded = status !== 'queued' && status !== 'running';
    await database.pool.query(
      `insert into platform.jobs (id, job, status, requested_by, created_at, updated_at, finished_at)
       select $1, $2, $3, 'test', at, at, case when $5 then at end from (select now() - make_interval(days => $4) as at)`,
      [ulid(), name, status, days, hasEnded],
    );
    if (isKept) kept.push(name);
  }
  await database.pool.query(`
    insert into platform.event_deliveries (event_id, consumer, status, at)
    select days, 'test', 'applied', now() - make_interval(days => days) from unnest(array[13, 15, 16]) as days`);
  const jobId = ulid();
  await runMessage({ job: 'platform.deleteOldRecords', jobId, requestedBy: 'schedule' });
  expect(await jobRow(jobId)).toMatchObject({ status: 'succeeded', result: { jobs: 3, deliveries: 2 } });
  const jobs = await database.pool.query(`select job from platform.jobs where job like 'test.%' order by job`);
  expect(jobs.rows.map(({ job }) => job)).toEqual(kept.sort());
  const deliveries = await database.pool.query('select event_id::int as id from platform.event_deliveries');
  expect(deliveries.rows).toEqual([{ id: 13 }]);
});
