import { beforeAll, expect, test } from 'vitest';
import { quarantine } from '../../shared/jobs/quarantine.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { refusal, walk } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, database } = await createTestDomain('platform');
const [users, transfers] = ['collections.syncUsers', 'collections.syncTransfers'];
const jobId = ulid();

beforeAll(async () => {
  await quarantine(users, jobId, [
    { unit: '7', reason: 'verified_addresses must be 0x and 40 hex digits', data: { fid: 7, bio: 'a\0b\ud800' } },
    { unit: '5', reason: 'is\0odd' },
  ]);
  await quarantine(users, jobId, [{ unit: '5', reason: 'is odd', data: { bio: 'half \ud800' } }]);
  await quarantine(transfers, null, [{ unit: '0x01', reason: 'responded with 500' }]);
});

test('lists what failed by source and unit, with the reason and the next attempt', async () => {
  const { json, headers } = await call('/v1/quarantine');
  const time = expect.stringMatching(/^\d{4}-.*Z$/);
  const common = { since: time, failedAt: time };
  expect(json).toEqual({
    quarantine: [
      {
        source: transfers,
        unit: '0x01',
        reason: 'responded with 500',
        attempts: 1,
        data: null,
        jobId: null,
        ...common,
        // no job tries it again
        retryAt: null,
      },
      {
        source: users,
        unit: '5',
        reason: 'is odd',
        attempts: 2,
        data: { bio: 'half �' },
        jobId,
        ...common,
        retryAt: time,
      },
      {
        source: users,
        unit: '7',
        reason: 'verified_addresses must be 0x and 40 hex digits',
        attempts: 1,
        data: { fid: 7, bio: 'a␀b�' },
        jobId,
        ...common,
        retryAt: time,
      },
    ],
    nextCursor: null,
  });
  expect(headers['cache-control']).toBe('no-store');
});

test('the wait doubles with each attempt, up to a day, and begins anew after a success', async () => {
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 12; attempt++) {
    await quarantine(users, jobId, [{ unit: 'often', reason: 'is odd' }]);
    const { rows } = await database.pool.query(
      `select extract(epoch from retry_at - failed_at)::int as wait from platform.quarantine where unit = 'often'`,
    );
    waits.push(rows[0].wait);
  }
  await database.pool.query(`delete from platform.quarantine where unit = 'often'`);
  expect(waits.slice(0, 4)).toEqual([300, 600, 1_200, 2_400]);
  expect(waits.slice(-2)).toEqual([86_400, 86_400]);
});

test('returns the same order with any page size, and only one source if asked', async () => {
  for (const limit of [1, 2, 3])
    expect((await walk(call, '/v1/quarantine', 'quarantine', limit)).map(({ unit }) => unit)).toEqual([
      '0x01',
      '5',
      '7',
    ]);
  expect((await call(`/v1/quarantine?source=${transfers}`)).json.quarantine).toHaveLength(1);
});

test.each([
  ['/v1/quarantine?limit=0', 'query.limit'],
  ['/v1/quarantine?source=7', 'query.source'],
  ['/v1/quarantine?unit=7', 'query.unit'],
  [`/v1/quarantine?cursor=${Buffer.from('[1]').toString('base64url')}`, 'query.cursor'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
