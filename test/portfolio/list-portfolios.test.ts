import { expect, test } from 'vitest';
import { daysAgo, portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importBalances, importPrices } = portfolioImports(domain);
const list = async (query = '') => (await call(`/v1/portfolios?${query}`)).json;
const named = ({ portfolios }: { portfolios: { wallet: string }[] }) => portfolios.map((one) => Number(one.wallet));

test('pages of wallets with their 20 most valuable holdings, and the number of all', async () => {
  expect(await list()).toEqual({ portfolios: [], page: 1, limit: 50, total: 0, pages: 0 });
  const tokens = Array.from({ length: 25 }, (_, i) => `T${String(i).padStart(2, '0')}`);
  await importPrices(...tokens.map((symbol, i): [string, string, number] => [symbol, daysAgo(1), i + 1]));
  await importBalances(...tokens.map((symbol): [string, string, string, number] => [wallet(1), symbol, daysAgo(2), 1]));
  for (const n of [2, 3, 4, 5]) await importBalances([wallet(n), 'T09', daysAgo(2), n]);
  await importBalances([wallet(6), 'NOPRICE', daysAgo(2), 1]);
  const first = await list('limit=4');
  expect([named(first), first.total, first.pages]).toEqual([[1, 2, 3, 4], 6, 2]);
  expect(first.portfolios[0].holdings.map(({ token }: { token: string }) => token)).toEqual(
    tokens
      .slice(5)
      .reverse()
      .map((one) => one.toLowerCase()),
  );
  // the value counts all holdings, not only those listed
  expect(first.portfolios[0]).toMatchObject({ valueUsd: '325', pricedTokens: 25 });
  const second = await list('limit=4&page=2');
  expect([named(second), second.total]).toEqual([[5, 6], 6]);
  expect(named(await list('limit=4&page=3'))).toEqual([]);
});

test('`minValue` counts exactly the wallets that are worth as much', async () => {
  const dear = await list('minValue=30&limit=2');
  expect([named(dear), dear.total, dear.pages]).toEqual([[1, 3], 4, 2]);
  expect(named(await list('minValue=30&limit=2&page=2'))).toEqual([4, 5]);
  expect((await list('minValue=30.000000000000000001')).total).toBe(3);
  expect((await list('minValue=0')).total).toBe(5);
});

test('a wallet that is known to hold nothing is worth 0, and one of unknown value is not', async () => {
  await importBalances([wallet(7), 'T09', daysAgo(2), 0]);
  expect((await list()).portfolios.at(-1)).toMatchObject({ wallet: wallet(7), valueUsd: '0' });
  const found = await list('minValue=0');
  expect([named(found), found.total]).toEqual([[1, 2, 3, 4, 5, 7], 6]);
  expect((await list('minValue=0.000000000000000001')).total).toBe(5);
});

test('a new price changes who is worth as much, at once', async () => {
  expect((await list('minValue=50')).total).toBe(2);
  await importPrices(['T09', daysAgo(0.5), 100]);
  expect((await list('minValue=50')).total).toBe(5);
});

test.each(['page=0', 'limit=101', 'minValue=-1', 'page=100001', 'sort=value'])('%s is refused', async (query) => {
  expect((await call(`/v1/portfolios?${query}`)).status).toBe(400);
});
