import { expect, test } from 'vitest';
import { daysAgo, portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call, importFile } = domain;
const { importBalances, importPrices } = portfolioImports(domain);

test('tokens are listed with their latest prices, each once over all pages', async () => {
  const priced = daysAgo(400);
  await importPrices(['BTC', priced, '9000.10'], ['BTC', daysAgo(500), 1]);
  await importBalances(
    ...['C', 'A', 'B'].map((symbol): [string, string, string, number] => [wallet(1), symbol, priced, 1]),
  );
  await importFile(
    'balances',
    'x.csv',
    `wallet,token_symbol,chain,token_address,as_of,balance\n${wallet(1)},HUNT,base,0x${'AB'.repeat(20)},${priced},1`,
  );
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json } = await call(`/v1/tokens?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    ids.push(...json.tokens.map(({ id }: { id: string }) => id));
    cursor = json.nextCursor;
  }
  expect(ids).toEqual(['a', 'b', `base:0x${'ab'.repeat(20)}`, 'btc', 'c']);
  const { json } = await call('/v1/tokens');
  expect(json.tokens[3]).toEqual({
    id: 'btc',
    symbol: 'BTC',
    name: null,
    chain: null,
    address: null,
    decimals: null,
    priceUsd: '9000.1',
    recordedAt: priced,
    source: 'import',
    disputedSince: null,
  });
  expect(json.tokens[2]).toMatchObject({
    symbol: 'HUNT',
    chain: 'base',
    address: `0x${'ab'.repeat(20)}`,
    priceUsd: null,
  });
  expect((await call('/v1/tokens?chain=base')).json.tokens.length).toBe(1);
});

test('a new token and a new price show at once', async () => {
  await call('/v1/tokens');
  await importPrices(['ZZZ', daysAgo(1), 2]);
  const { json } = await call('/v1/tokens');
  expect(json.tokens.at(-1)).toMatchObject({ id: 'zzz', priceUsd: '2' });
});

test('a cursor of another list is refused', async () => {
  const { json } = await call('/v1/tokens?limit=1');
  expect((await call(`/v1/tokens?chain=base&cursor=${json.nextCursor}`)).status).toBe(400);
});
