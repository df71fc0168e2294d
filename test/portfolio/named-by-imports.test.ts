/** Imports name wallets and tokens, and bring values of wallets from elsewhere. What a file does not say stays. */
import { expect, test } from 'vitest';
import { wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, importFile, database } = await createTestDomain('portfolio');
const rows = async (text: string) => (await database.pool.query(text)).rows;
const contract = `0x${'ab'.repeat(20)}`;

test('wallets are labeled and tracked; an empty field changes nothing', async () => {
  const stored = () => rows('select label, is_tracked from portfolio.wallets order by address');
  const file = `wallet,label,tracked\n${wallet(1)},Ada,true\n${wallet(2)},,\n${wallet(1)},Ada L.,`;
  expect(await importFile('wallets', 'a.csv', file)).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  // of rows about one wallet the last one counts
  expect(await stored()).toEqual([
    { label: 'Ada L.', is_tracked: false },
    { label: null, is_tracked: false },
  ]);
  await importFile('wallets', 'b.csv', `wallet\n${wallet(1)}\n${wallet(2)}`, { is_tracked: 'true' });
  expect(await stored()).toEqual([
    { label: 'Ada L.', is_tracked: true },
    { label: null, is_tracked: true },
  ]);
  expect((await call(`/v1/portfolios/${wallet(1)}`)).json).toMatchObject({ label: 'Ada L.', isTracked: true });
  const again = await importFile('wallets', 'c.csv', `wallet,tracked\n${wallet(1)},true`);
  expect(again).toMatchObject({ rows_applied: 0, rows_unchanged: 1 });
});

test('tokens get names and units, and prices and balances find them by their contracts', async () => {
  const file = `symbol,chain,token_address,name,decimals,coingecko_id\nHUNT,base,${contract},HUNT,18,hunt-token\nBTC,,,Bitcoin,,`;
  expect(await importFile('tokens', 'a.csv', file)).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  await importFile('tokens', 'b.csv', `symbol,chain,token_address,name\nHUNT,base,${contract},Hunt Town`);
  await importFile(
    'prices',
    'c.csv',
    `symbol,chain,token_address,recorded_at,price\nHUNT,base,${contract},2026-01-01,2`,
  );
  expect((await call('/v1/tokens')).json.tokens).toMatchObject([
    { id: `base:${contract}`, name: 'Hunt Town', decimals: 18, priceUsd: '2' },
    { id: 'btc', name: 'Bitcoin', decimals: null, priceUsd: null },
  ]);
  expect(await rows('select coingecko_id from portfolio.tokens where coingecko_id is not null')).toHaveLength(1);
});

test('values from elsewhere become the history of a wallet, whatever the month', async () => {
  const now = new Date(Math.floor(Date.now() / 300_000) * 300_000).toISOString();
  const file = `wallet,as_of,value_usd,priced_tokens,unpriced_tokens\n${wallet(3)},2019-05-01T00:00:00Z,10.50,2,1\n${wallet(3)},${now},12,2,1`;
  expect(await importFile('values', 'a.csv', file)).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  const { json } = await call(
    `/v1/portfolios/${wallet(3)}/history?from=2019-01-01T00:00:00Z&to=2019-12-31T00:00:00Z&interval=1d`,
  );
  expect(json.coverage).toMatchObject({ since: '2019-05-01T00:00:00.000Z', until: now });
  expect(json.points).toMatchObject([{ at: '2019-05-01T00:00:00.000Z', valueUsd: '10.5', unpricedTokens: 1 }]);
  const recent = await call(`/v1/portfolios/${wallet(3)}/history?interval=5m`);
  expect(recent.json.points).toMatchObject([{ at: now, valueUsd: '12' }]);
  expect(await importFile('values', 'b.csv', file)).toMatchObject({ rows_applied: 0, rows_unchanged: 2 });
});
