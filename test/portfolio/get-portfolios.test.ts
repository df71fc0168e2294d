import { expect, test } from 'vitest';
import { replicaCaughtUp } from '../support/database.ts';
import { daysAgo, portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call, database } = domain;
const { importBalances, importPrices } = portfolioImports(domain);
const batch = (wallets: unknown, at?: string) =>
  call('/v1/portfolios/batch', { method: 'POST', body: { wallets, ...(at === undefined ? {} : { at }) } });

test('the portfolios of many wallets equal those of each, in the order of the request', async () => {
  const tokens = Array.from({ length: 120 }, (_, i) => `T${i}`);
  await importPrices(
    ...tokens.flatMap((symbol, i): [string, string, number][] => [
      [symbol, daysAgo(100), i],
      [symbol, daysAgo(1), i + 1],
    ]),
  );
  await importBalances(
    ...tokens.map((symbol): [string, string, string, number] => [wallet(1), symbol, daysAgo(120), 1]),
    ...tokens.slice(0, 3).map((symbol): [string, string, string, number] => [wallet(2), symbol, daysAgo(50), 2]),
    [wallet(3), 'NOPRICE', daysAgo(50), 2],
  );
  // no fence stands behind what is not cached
  await replicaCaughtUp(database.pool);
  for (const at of [undefined, daysAgo(0), daysAgo(99), daysAgo(60)]) {
    const { status, json, headers } = await batch([wallet(3), wallet(9), wallet(1), wallet(2), wallet(1)], at);
    expect([status, headers['cache-control'], headers['x-served-by']]).toEqual([200, 'no-store', 'reader']);
    expect(json.unknown).toEqual([wallet(9)]);
    expect(json.portfolios.length).toBe(3);
    for (const [i, n] of [3, 1, 2].entries()) {
      const single = (await call(`/v1/portfolios/${wallet(n)}${at === undefined ? '' : `?at=${at}`}`)).json;
      expect(json.portfolios[i]).toEqual({ ...single, holdings: single.holdings.slice(0, 100) });
    }
  }
  const { json } = await batch([wallet(1)]);
  expect([json.portfolios[0].holdings.length, json.portfolios[0].pricedTokens]).toEqual([100, 120]);
});

test('addresses are accepted in any case, and named in lower case', async () => {
  const { json } = await batch([`0x${'AB'.repeat(20)}`, `0x${'ab'.repeat(20)}`]);
  expect(json).toEqual({ at: null, portfolios: [], unknown: [`0x${'ab'.repeat(20)}`] });
});

test.each([
  ['no wallets', [], undefined, 'body.wallets'],
  ['more than 200', Array.from({ length: 201 }, (_, i) => wallet(i)), undefined, 'body.wallets'],
  ['a wallet that is none', ['0x12'], undefined, 'body.wallets.0'],
  ['a time in the future', [wallet(1)], new Date(Date.now() + 60_000).toISOString(), 'body.at'],
])('%s: refused', async (_, wallets, at, field) => {
  const { status, json } = await batch(wallets, at);
  expect([status, json.errors[0].field]).toEqual([400, field]);
});
