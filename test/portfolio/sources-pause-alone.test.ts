/** A source that asks for a pause, or whose answers lose a field, pauses alone. It is said once, and what it gave stays. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createMarket } from '../../local/upstreams/market.ts';
import { createToken, setBalance } from '../../local/upstreams/tokens.ts';
import { log } from '../../shared/observability/log.ts';
import { createChains } from '../support/chains.ts';
import { startPriceSources } from '../support/price-sources.ts';

const market = createMarket();
const { environment, defillama, coingecko, alchemyprices } = await startPriceSources(market);
const { q, runJob, addToken, addWallet, ethereum, base } = await createChains(environment);
const contractOf = (symbol: string, chain: string) =>
  market.assets.find((one) => one.symbol === symbol)!.contracts[chain]!;
const [aero, uni] = [contractOf('AERO', 'base'), contractOf('UNI', 'ethereum')];
const alice = `0x${'a1'.repeat(20)}`;

const said = vi.spyOn(log, 'error');
beforeEach(async () => {
  said.mockClear();
  await q('truncate portfolio.tokens, portfolio.wallets cascade');
  await addToken('base', aero, 'AERO');
  await addToken('ethereum', uni, 'UNI', { coingeckoId: 'uniswap' });
  await addToken(null, null, 'BTC', { coingeckoId: 'bitcoin' });
});
afterEach(() => said.mockClear());

const closures = () => said.mock.calls.filter(([message]) => message === 'upstream closed').map(([, fields]) => fields);
const priceOf = async (symbol: string) =>
  (
    await q(
      `select source, trim_scale(price_usd)::text as usd, recorded_at from portfolio.latest_prices l
       join portfolio.tokens t on t.id = l.token_id where symbol = $1`,
      [symbol],
    )
  )[0];

test('CoinGecko loses a field', async () => {
  await q(`delete from portfolio.tokens where symbol = 'AERO'`);
  coingecko.change = (_, { usd: _usd, ...entry }) => entry;
  for (let run = 1; run <= 7; run++)
    expect(await runJob('syncPrices')).toMatchObject({
      status: 'succeeded',
      result: { priced: { defillama: 2 }, failures: { coingecko: expect.stringContaining('unexpected response') } },
    });
  expect([coingecko.requests.length, closures()]).toMatchObject([
    5,
    [{ upstream: 'coingecko', operation: 'simple/price' }],
  ]);
});

test('DefiLlama asks for a day', async () => {
  await runJob('syncPrices');
  const bitcoin = await priceOf('BTC');
  expect(bitcoin).toMatchObject({ source: 'defillama' });
  defillama.requests.length = 0;
  defillama.faults.set({ kind: 'rate-limited', count: 1, retryAfterSeconds: 86_400 });
  for (let run = 0; run < 3; run++)
    expect(await runJob('syncPrices')).toMatchObject({
      status: 'succeeded',
      result: { failures: { defillama: expect.stringContaining('too many requests') } },
    });
  expect([defillama.requests.length, closures()]).toMatchObject([
    1,
    [{ upstream: 'defillama', operation: 'prices/current' }],
  ]);
  // nobody else knows it now: it stays, with the time of its price
  expect(await priceOf('BTC')).toEqual(bitcoin);
});

test('Alchemy loses a field, while nobody else answers', async () => {
  await q('delete from portfolio.tokens where coingecko_id is not null');
  alchemyprices.change = (_, { prices: _prices, ...entry }) => entry;
  coingecko.faults.set({ kind: 'garbage', count: 9 });
  for (let run = 0; run < 6; run++) {
    await q(`delete from platform.jobs`);
    expect(await runJob('syncPrices')).toMatchObject({ status: 'running' });
  }
  expect(closures()).toMatchObject([{ upstream: 'alchemyprices', operation: 'tokens/by-address' }]);
  expect(alchemyprices.requests.length).toBe(5);
});

test('the node of one chain asks for a day', async () => {
  await addWallet(alice);
  for (const [chain, contract] of [
    [base, aero],
    [ethereum, uni],
  ] as const) {
    const token = createToken(18);
    setBalance(token, alice, 0n, 10n ** 18n);
    chain.tokens.set(contract, token);
  }
  await runJob('syncBalances');
  setBalance(ethereum.tokens.get(uni)!, alice, 0n, 3n * 10n ** 18n);
  base.faults.set({ kind: 'rate-limited', count: 1, retryAfterSeconds: 86_400 });
  base.requests.length = 0;
  for (const job of ['syncBalances', 'syncBalances', 'syncLocks'])
    expect(await runJob(job)).toMatchObject({
      status: 'succeeded',
      result: { failures: { base: expect.stringContaining('too many requests') } },
    });
  expect([base.requests.length, closures()]).toMatchObject([1, [{ upstream: 'baserpc' }]]);
  const rows = await q(
    `select symbol, trim_scale(balance)::text as balance from portfolio.token_balances b join portfolio.tokens t on t.id = b.token_id order by 1`,
  );
  expect(rows).toEqual([
    { symbol: 'AERO', balance: '1' },
    { symbol: 'UNI', balance: '3' },
  ]);
});
