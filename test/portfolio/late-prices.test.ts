/** Late prices of packed months: what they do not say stays, and what is stored already changes nothing. */
import { expect, test } from 'vitest';
import { packTable } from '../../shared/db/pack-months.ts';
import { priceTable } from '../support/archive.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { importFile, call, database } = await createTestDomain('portfolio');
const pack = () => packTable(priceTable, { now: new Date('2013-01-01'), deadline: new Date(Date.now() + 3_600_000) });
const day = async () => {
  const { json } = await call('/v1/tokens/btc/prices?from=2019-01-01T00:00:00Z&to=2019-02-01T00:00:00Z');
  return json.prices;
};

test('a late price that lacks what a packed one has leaves it', async () => {
  await importFile(
    'prices',
    'candles.csv',
    'symbol,recorded_at,price,open,high,low,volume\nBTC,2019-01-05T12:00:00Z,3800,3790,3850,3780,1000.5',
  );
  await pack();
  await importFile('prices', 'p.csv', 'symbol,recorded_at,price\nBTC,2019-01-05T12:00:00Z,3801');
  const corrected = [
    expect.objectContaining({
      priceUsd: '3801',
      openUsd: '3790',
      highUsd: '3850',
      lowUsd: '3780',
      volumeUsd: '1000.5',
    }),
  ];
  expect(await day()).toEqual(corrected);
  await pack();
  expect(await day()).toEqual(corrected);
});

test('late prices that equal the packed ones are unchanged, and announce nothing', async () => {
  const file = [
    'symbol,recorded_at,price,volume',
    'ETH,2019-01-01T00:00:00Z,100.50,',
    'ETH,2019-01-31T23:59:59.999Z,101,7',
    'ETH,2019-02-01T00:00:00Z,102,8',
  ].join('\n');
  expect(await importFile('prices', 'a.csv', file)).toMatchObject({ rows_applied: 3 });
  await pack();
  const events = () => database.pool.query(`select from platform.outbox`).then(({ rowCount }) => rowCount);
  const before = await events();
  expect(await importFile('prices', 'b.csv', `${file}\n`)).toMatchObject({ rows_applied: 0, rows_unchanged: 3 });
  const { rowCount } = await database.pool.query('select from portfolio.price_snapshots_late');
  expect([rowCount, await events()]).toEqual([0, before]);
});
