import type { Context } from 'aws-lambda';
import { expect, test } from 'vitest';
import { handler } from '../../functions/platform/archive-partitions.ts';
import { createArchiveWorld } from '../support/archive.ts';

const { passGrace, query, record, shown, expected } = await createArchiveWorld();
const run = (remainingMs = 900_000) =>
  handler({} as never, { functionName: 'test', getRemainingTimeInMillis: () => remainingMs } as Context);

test('months older than a year go to files, and their rows leave Postgres after the grace', async () => {
  await record(['btc', '2018-03-01T00:00:00.000Z', '9000'], ['btc', '2019-03-01T00:00:00.000Z', '4000']);
  await run(1_000);
  expect(await query('select from platform.archives')).toEqual([]);
  await run();
  expect(await query('select distinct state from platform.archives')).toEqual([{ state: 'switched' }]);
  expect((await query('select from portfolio.price_snapshots_late')).length).toBe(2);
  await passGrace();
  await run();
  expect(await query('select distinct state from platform.archives')).toEqual([{ state: 'dropped' }]);
  expect(await query('select from portfolio.price_snapshots_late')).toEqual([]);
  expect(await shown('btc')).toEqual(expected('btc'));
});

test('rows of the last year stay', async () => {
  const recent = new Date(Date.now() - 100 * 86_400_000).toISOString();
  await record(['eth', recent, '3000']);
  await run();
  expect((await query('select from portfolio.price_snapshots_late')).length).toBe(1);
});
