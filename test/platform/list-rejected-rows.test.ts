import { beforeAll, expect, test } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { refusal, walk } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform');
const [job, other, clean] = [ulid(), ulid(), ulid()];
const path = `/v1/jobs/${job}/rejected-rows`;

beforeAll(async () => {
  await database.pool.query(
    `insert into platform.jobs (id, job, status, requested_by) select id, 'wallets.importPrices', 'failed', 'test'
     from unnest($1::text[]) as id`,
    [[job, other, clean]],
  );
  await database.pool.query(
    `insert into platform.rejected_rows (job_id, position, reason, data)
     values ($1, 10, 'token_id: must be a number', '{"token_id": "x"}'), ($1, 2, 'has 3 columns instead of 2', '["1", "2", "3"]'),
       ($1, 9, 'is empty', '{}'), ($2, 1, 'is empty', '{}')`,
    [job, other],
  );
});

test('lists rejected rows by position, with their reasons and data', async () => {
  const { json, headers } = await call(path);
  expect(json).toEqual({
    rejectedRows: [
      { position: 2, reason: 'has 3 columns instead of 2', row: ['1', '2', '3'] },
      { position: 9, reason: 'is empty', row: {} },
      { position: 10, reason: 'token_id: must be a number', row: { token_id: 'x' } },
    ],
    nextCursor: null,
  });
  expect(headers['cache-control']).toBe('no-store');
});

test('returns the same order with any page size', async () => {
  for (const limit of [1, 2, 3])
    expect([limit, (await walk(call, path, 'rejectedRows', limit)).map(({ position }) => position)]).toEqual([
      limit,
      [2, 9, 10],
    ]);
});

test('returns an empty list for a job without rejected rows, and 404 for an unknown job', async () => {
  expect((await call(`/v1/jobs/${clean}/rejected-rows`)).json).toEqual({ rejectedRows: [], nextCursor: null });
  expect((await call(`/v1/jobs/${ulid()}/rejected-rows`)).status).toBe(404);
});

const jobs = Buffer.from(JSON.stringify([job])).toString('base64url');
test.each([
  [`${path}?limit=0`, 'query.limit'],
  [`${path}?cursor=${jobs}`, 'query.cursor'],
  [`${path}?reason=empty`, 'query.reason'],
  ['/v1/jobs/nonsense/rejected-rows', 'path.id'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
