/** What is read through the tiers of Postgres equals what was written, wherever it stands. */
import { expect, test } from 'vitest';
import { createTestDomain } from '../support/test-domain.ts';

const { importFile, database } = await createTestDomain('portfolio');
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

test('rows of open and of closed months are read as one table', async () => {
  const now = new Date();
  const times = [
    '2013-04-29T23:59:59.999Z',
    '2026-03-05T07:00:00.250Z',
    new Date(now.getTime() - 60_000).toISOString(),
  ];
  await importFile(
    'prices',
    'p.csv',
    ['symbol,recorded_at,price', ...times.map((at, i) => `BTC,${at},${i + 1}.5`)].join('\n'),
  );
  const stored = await q(
    `select recorded_at, trim_scale(price_usd)::text as price
     from portfolio.price_snapshots_rows(array(select id from portfolio.tokens), '2000-01-01', '2100-01-01', '-infinity') order by 1`,
  );
  expect(stored.map(({ recorded_at, price }) => [recorded_at.toISOString(), price])).toEqual(
    times.map((at, i) => [at, `${i + 1}.5`]),
  );
  const [last] = await q(
    `select l.recorded_at from portfolio.tokens t, portfolio.price_snapshots_last(t.id, '2020-01-01', '2000-01-01', '-infinity') l`,
  );
  expect(last.recorded_at.toISOString()).toBe(times[0]);
});

test('a row of a month without a partition fails the import, and is not rejected', async () => {
  await q(`update platform.tiers set archived_until = '-infinity', packed_until = '2013-01-01', closed_until = '2013-01-01'
           where name = 'portfolio.price_snapshots'`);
  const job = await importFile('prices', 'q.csv', 'symbol,recorded_at,price\nETH,2014-01-01T00:00:00Z,1');
  expect(job).toMatchObject({ status: 'failed', rows_rejected: 0 });
});
