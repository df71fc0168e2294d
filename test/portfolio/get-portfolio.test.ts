import { expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { daysAgo, portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importBalances, importPrices } = portfolioImports(domain);
const path = (n: number, at?: string) => `/v1/portfolios/${wallet(n)}${at === undefined ? '' : `?at=${at}`}`;
const worthOf = async (n: number, at?: string) => (await call(path(n, at))).json.valueUsd;

test('a portfolio has its holdings with their values, most valuable first, and counts what has no price', async () => {
  const [observed, priced] = [daysAgo(2), daysAgo(1)];
  expect((await call(path(1))).status).toBe(404);
  await importBalances(
    [wallet(1), 'AAA', observed, '2'],
    [wallet(1), 'BBB', observed, '10'],
    [wallet(1), 'CCC', observed, '7'],
  );
  await importBalances([wallet(1), 'GONE', observed, '0']);
  await importPrices(['AAA', priced, '1.50'], ['BBB', priced, '4']);
  const { json, headers } = await call(path(1));
  expect(json).toMatchObject({
    wallet: wallet(1),
    label: null,
    isTracked: false,
    at: null,
    valueUsd: '43',
    pricedTokens: 2,
    unpricedTokens: 1,
    disputedTokens: 0,
    coverage: { since: observed, oldestBalanceAt: observed, oldestPriceAt: priced },
  });
  const none = { disputedSince: null, name: null, observedAt: observed };
  expect(json.holdings).toEqual([
    {
      ...none,
      token: 'bbb',
      symbol: 'BBB',
      balance: '10',
      unpriced: false,
      priceUsd: '4',
      pricedAt: priced,
      source: 'import',
      valueUsd: '40',
    },
    {
      ...none,
      token: 'aaa',
      symbol: 'AAA',
      balance: '2',
      unpriced: false,
      priceUsd: '1.5',
      pricedAt: priced,
      source: 'import',
      valueUsd: '3',
    },
    {
      ...none,
      token: 'ccc',
      symbol: 'CCC',
      balance: '7',
      unpriced: true,
      priceUsd: null,
      pricedAt: null,
      source: null,
      valueUsd: null,
    },
  ]);
  expect(headers['x-cache']).toBe('miss');
  expect((await call(path(1))).headers['x-cache']).toBe('hit');
});

test('a changed balance, a new price, and a dispute show at once', async () => {
  await importBalances([wallet(2), 'DDD', daysAgo(3), '1']);
  await importPrices(['DDD', daysAgo(2), '5']);
  expect(await worthOf(2)).toBe('5');
  await importPrices(['DDD', daysAgo(1), '6']);
  expect(await worthOf(2)).toBe('6');
  await importBalances([wallet(2), 'DDD', daysAgo(0.5), '2']);
  expect(await worthOf(2)).toBe('12');
  await commit((tx) =>
    tx.query(`update portfolio.tokens set disputed_since = now() - interval '1 hour' where key = 'ddd'`),
  );
  const { json } = await call(path(2));
  expect([json.disputedTokens, json.valueUsd, typeof json.holdings[0].disputedSince]).toEqual([1, '12', 'string']);
  expect((await call(path(2, daysAgo(0.2)))).json.disputedTokens).toBe(0);
});

test('unknown is not zero: nothing priced has no value, nothing held is worth nothing', async () => {
  await importBalances([wallet(3), 'NOPRICE', daysAgo(3), '1'], [wallet(4), 'NOPRICE', daysAgo(3), '0']);
  expect((await call(path(3))).json).toMatchObject({ valueUsd: null, pricedTokens: 0, unpricedTokens: 1 });
  expect((await call(path(4))).json).toMatchObject({ valueUsd: '0', pricedTokens: 0, unpricedTokens: 0, holdings: [] });
});

test('a price that is older than three days values nothing', async () => {
  await importBalances([wallet(5), 'OLD', daysAgo(30), '1']);
  await importPrices(['OLD', daysAgo(3.1), '5']);
  expect((await call(path(5))).json).toMatchObject({ valueUsd: null, unpricedTokens: 1 });
  await importPrices(['OLD', daysAgo(2.9), '5']);
  expect(await worthOf(5)).toBe('5');
});

test('`at` answers with the balances and prices of that time', async () => {
  await importBalances(
    [wallet(6), 'EEE', '2020-01-01T00:00:00Z', '1'],
    [wallet(6), 'EEE', '2020-02-01T00:00:00Z', '3'],
    [wallet(6), 'FFF', '2020-02-01T00:00:00Z', '100'],
    [wallet(6), 'EEE', daysAgo(1), '0'],
  );
  await importPrices(
    ['EEE', '2020-01-02T00:00:00Z', '10'],
    ['EEE', '2020-02-01T00:00:00Z', '20'],
    ['EEE', '2020-02-01T12:00:00.500Z', '30'],
    ['EEE', daysAgo(1), '99'],
    ['FFF', '2020-02-10T00:00:00Z', '1'],
  );
  const at = async (time: string) => {
    const { json } = await call(path(6, time));
    return [json.valueUsd, json.unpricedTokens, json.holdings.map(({ token }: { token: string }) => token).join(' ')];
  };
  // before anything is known
  expect(await at('2019-12-31T23:59:59Z')).toEqual([null, 0, '']);
  // a balance, but no price yet; then the first price; then only an old one
  expect(await at('2020-01-01T00:00:00Z')).toEqual([null, 1, 'eee']);
  expect(await at('2020-01-02T00:00:00Z')).toEqual(['10', 0, 'eee']);
  expect(await at('2020-01-05T00:00:00Z')).toEqual(['10', 0, 'eee']);
  expect(await at('2020-01-05T00:00:00.001Z')).toEqual([null, 1, 'eee']);
  // the instant itself counts, for balances and prices
  expect(await at('2020-02-01T00:00:00Z')).toEqual(['60', 1, 'eee fff']);
  expect(await at('2020-02-01T12:00:00.499Z')).toEqual(['60', 1, 'eee fff']);
  expect(await at('2020-02-01T12:00:00.500Z')).toEqual(['90', 1, 'eee fff']);
  expect((await call(path(6, '2020-02-01T12:00:00.5Z'))).json.at).toBe('2020-02-01T12:00:00.500Z');
  expect(await at(new Date().toISOString())).toEqual([null, 1, 'fff']);
  // a balance and a price that arrive late
  await importBalances([wallet(6), 'EEE', '2020-01-03T00:00:00Z', '2']);
  await importPrices(['EEE', '2020-01-03T00:00:00Z', '11']);
  expect(await at('2020-01-05T00:00:00Z')).toEqual(['22', 0, 'eee']);
  expect(await at('2020-01-02T00:00:00Z')).toEqual(['10', 0, 'eee']);
});

test('`at` of now equals no `at`', async () => {
  const { json: now } = await call(path(1));
  const { json: at } = await call(path(1, new Date().toISOString()));
  expect({ ...at, at: null }).toEqual(now);
});

test.each([
  ['the future', new Date(Date.now() + 60_000).toISOString()],
  ['before the first block', '2009-01-02T23:59:59Z'],
  ['no time', 'yesterday'],
])('%s is refused', async (_, at) => {
  const { status, json } = await call(path(1, at));
  expect([status, json.errors[0].field]).toEqual([400, 'query.at']);
});
