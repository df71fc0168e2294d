import { beforeAll, expect, test } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform');
const [running, queued, failed] = [ulid(), ulid(), ulid()];

// 25 percent after ten minutes
beforeAll(() =>
  database.pool.query(
    `insert into platform.jobs (id, job, params, status, step, rows_read, rows_applied, rows_unchanged, rows_rejected,
       rows_total, percent, attempts, error, result, requested_by, created_at, started_at, updated_at, finished_at)
     values
       ($1, 'wallets.syncHoldings', '{"mode": "full"}', 'running', 'holdings', 250, 200, 47, 3, 1000, 25, 2, null, null,
        'the operator', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', '2026-01-01T00:11:00.5Z', null),
       ($2, 'wallets.syncPrices', '{}', 'queued', null, 0, 0, 0, 0, null, null, 0, null, null,
        'schedule', '2026-01-01T00:00:00Z', null, '2026-01-01T00:00:00Z', null),
       ($3, 'wallets.rebuildSnapshots', '{}', 'failed', null, 4, 4, 0, 0, null, 80, 1,
        '{"code": "integrity", "message": "The total fell."}', '{"drift": {"wallets": 1}}',
        'schedule', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', '2026-01-01T00:02:00Z', '2026-01-01T00:02:00Z')`,
    [running, queued, failed],
  ),
);

test('returns a running job with its progress and estimated end', async () => {
  const { json, headers } = await call(`/v1/jobs/${running}`);
  expect(json).toEqual({
    id: running,
    job: 'wallets.syncHoldings',
    params: { mode: 'full' },
    status: 'running',
    progress: {
      read: 250,
      applied: 200,
      unchanged: 47,
      rejected: 3,
      total: 1_000,
      percent: 25,
      step: 'holdings',
      estimatedEnd: '2026-01-01T00:41:02.000Z',
    },
    attempts: 2,
    error: null,
    result: null,
    rejectedRows: `/v1/jobs/${running}/rejected-rows`,
    requestedBy: 'the operator',
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:01:00.000Z',
    updatedAt: '2026-01-01T00:11:00.500Z',
    finishedAt: null,
  });
  expect(headers).toMatchObject({ 'cache-control': 'no-store' });
});

test('returns a queued job without a start or an estimated end', async () => {
  expect((await call(`/v1/jobs/${queued}`)).json).toMatchObject({
    status: 'queued',
    progress: { read: 0, total: null, percent: null, step: null, estimatedEnd: null },
    rejectedRows: null,
    startedAt: null,
  });
});

test('returns a failed job with its error, result, and end', async () => {
  expect((await call(`/v1/jobs/${failed}`)).json).toMatchObject({
    status: 'failed',
    progress: { percent: 80, estimatedEnd: null },
    error: { code: 'integrity', message: 'The total fell.' },
    result: { drift: { wallets: 1 } },
    finishedAt: '2026-01-01T00:02:00.000Z',
  });
});

test('shows progress at once', async () => {
  await database.pool.query('update platform.jobs set rows_read = 251 where id = $1', [running]);
  expect((await call(`/v1/jobs/${running}`)).json.progress.read).toBe(251);
});

test('returns 404 for an unknown job, and 400 for an invalid id', async () => {
  const { status, json } = await call(`/v1/jobs/${ulid()}`);
  expect([status, json.type]).toEqual([404, 'urn:tributary:problem:not-found']);
  for (const target of ['/v1/jobs/nonsense', `/v1/jobs/${running.toLowerCase()}`])
    expect([target, ...(await refusal(call, target))]).toEqual([target, 400, ['path.id']]);
});
