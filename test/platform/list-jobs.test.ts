import { beforeAll, expect, test } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { refusal, walk } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform');
const rows = [
  ['wallets.syncPrices', 'succeeded'],
  ['wallets.syncHoldings', 'failed'],
  ['wallets.syncPrices', 'failed'],
  ['collections.warmPopular', 'cancelled'],
  ['wallets.syncPrices', 'running'],
] as const;
// one second apart
const ids = rows.map((_, i) => ulid(Date.UTC(2026, 0, 1, 0, 0, i)));

beforeAll(async () => {
  // not in the order of their ids
  for (const i of [3, 0, 4, 2, 1])
    await database.pool.query(`insert into platform.jobs (id, job, status, requested_by) values ($1, $2, $3, 'test')`, [
      ids[i],
      ...rows[i]!,
    ]);
});

const newest = (...indices: number[]) => indices.map((i) => ids[i]);
const idsOf = (jobs: { id: string }[]) => jobs.map(({ id }) => id);

test('lists the latest job first, with any page size', async () => {
  for (const limit of [1, 2, 5, 200])
    expect([limit, idsOf(await walk(call, '/v1/jobs', 'jobs', limit))]).toEqual([limit, newest(4, 3, 2, 1, 0)]);
});

test('lists jobs as getJob returns them', async () => {
  const { json, headers } = await call('/v1/jobs?limit=1');
  expect(json).toEqual({ jobs: [(await call(`/v1/jobs/${ids[4]}`)).json], nextCursor: expect.any(String) });
  expect(headers['cache-control']).toBe('no-store');
});

test.each([
  ['job=wallets.syncPrices', newest(4, 2, 0)],
  ['status=failed', newest(2, 1)],
  ['job=wallets.syncPrices&status=failed', newest(2)],
  ['job=wallets.nothing', []],
  ['status=queued', []],
])('%s filters the list, page by page', async (filter, expected) => {
  expect(idsOf(await walk(call, `/v1/jobs?${filter}`, 'jobs', 1))).toEqual(expected);
});

const rejected = Buffer.from('[1]').toString('base64url');
test.each([
  ['/v1/jobs?job=syncPrices', 'query.job'],
  ['/v1/jobs?status=done', 'query.status'],
  ['/v1/jobs?limit=201', 'query.limit'],
  ['/v1/jobs?cursor=e30', 'query.cursor'],
  [`/v1/jobs?cursor=${rejected}`, 'query.cursor'],
  ['/v1/jobs?page=2', 'query.page'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
