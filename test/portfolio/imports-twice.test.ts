/** A file that is delivered again changes nothing, whatever it contains. */
import { expect, test } from 'vitest';
import { daysAgo, portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importBalances, importLocks, importPrices } = portfolioImports(domain);

test('of rows with the same key the last one counts, however often the file comes', async () => {
  const at = daysAgo(2);
  const price = async () => (await call('/v1/tokens/twice/price')).json.priceUsd;
  const locked = async () => (await call(`/v1/portfolios/${wallet(1)}/locks`)).json.locks[0].amount;
  const lockedThen = async () => (await call(`/v1/portfolios/${wallet(1)}/positions/history`)).json.snapshots[0].amount;
  const held = async () => (await call(`/v1/portfolios/${wallet(1)}`)).json.holdings[0].balance;
  for (const _ of ['first', 'again', 'and again']) {
    await importPrices(['TWICE', at, 5], ['TWICE', at, 10]);
    await importLocks([wallet(1), '7', at, '5', 2_000_000_000], [wallet(1), '7', at, '10', 2_000_000_000]);
    await importBalances([wallet(1), 'TWICE', at, 5], [wallet(1), 'TWICE', at, 10]);
    expect([await price(), await locked(), await lockedThen(), await held()]).toEqual(['10', '10', '10', '10']);
  }
});

test('a name that comes later than its token is kept', async () => {
  await importBalances([wallet(2), 'NAMED', daysAgo(2), 1]);
  const job = await domain.importFile(
    'prices',
    'named.csv',
    `symbol,recorded_at,price,name\nNAMED,${daysAgo(1)},5,The Named`,
  );
  expect(job.status).toBe('succeeded');
  expect((await call(`/v1/portfolios/${wallet(2)}`)).json.holdings[0].name).toBe('The Named');
});

test('what lies ahead is refused, so that it does not hide what is observed meanwhile', async () => {
  const ahead = new Date(Date.now() + 3_600_000).toISOString();
  await importPrices(['AHEAD', daysAgo(1), 1]);
  await importBalances([wallet(3), 'AHEAD', daysAgo(1), 1]);
  await expect(importPrices(['AHEAD', ahead, 100])).rejects.toThrow();
  await expect(importBalances([wallet(3), 'AHEAD', ahead, 100])).rejects.toThrow();
  const { json: now } = await call(`/v1/portfolios/${wallet(3)}`);
  const { json: at } = await call(`/v1/portfolios/${wallet(3)}?at=${new Date().toISOString()}`);
  expect([now.valueUsd, at.valueUsd]).toEqual(['1', '1']);
  expect((await call('/v1/tokens/ahead/price')).json.priceUsd).toBe('1');
});
