import { beforeEach, expect, test, vi } from 'vitest';
import { choose } from '../../functions/portfolio/ask-price-sources.ts';
import { createMarket } from '../../local/upstreams/market.ts';
import { createPriceSources } from '../support/price-sources.ts';

const market = createMarket();
const { q, runJob, addToken, call, defillama, coingecko, alchemyprices } = await createPriceSources(market);
const contractOf = (symbol: string, chain: string) =>
  market.assets.find((one) => one.symbol === symbol)!.contracts[chain]!;
const [aero, uni] = [contractOf('AERO', 'base'), contractOf('UNI', 'ethereum')];

const latest = async () =>
  Object.fromEntries(
    (
      await q(`select t.symbol, l.source, trim_scale(l.price_usd)::text as usd, l.recorded_at
               from portfolio.latest_prices l join portfolio.tokens t on t.id = l.token_id`)
    ).map(({ symbol, ...row }) => [symbol, row]),
  );

const realNow = Date.now;
/** Moves the clock to the start of a run. In even ones, CoinGecko is asked by contract. */
function setTurn(turn: number): void {
  const start = (Math.ceil(realNow() / 600_000) * 2 + turn) * 300_000;
  const offsetMs = start - realNow();
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + offsetMs);
}

beforeEach(async () => {
  setTurn(0);
  await q('truncate portfolio.tokens cascade');
  await addToken('base', aero, 'AERO');
  await addToken('ethereum', uni, 'UNI', { coingeckoId: 'uniswap' });
  await addToken(null, null, 'BTC', { coingeckoId: 'bitcoin' });
  await addToken(null, null, 'XYZ');
  await addToken('base', `0x${'ee'.repeat(20)}`, 'GONE');
});

test('tokens are priced by contract or by id, and one that no source knows stays without a price', async () => {
  const job = await runJob('syncPrices');
  expect(job).toMatchObject({ status: 'succeeded', rows_applied: 3, rows_rejected: 0 });
  expect(job.result).toMatchObject({ tokens: 4, priced: { defillama: 3 }, unpriced: 1, failures: {} });
  const prices = await latest();
  expect(Object.keys(prices).sort()).toEqual(['AERO', 'BTC', 'UNI']);
  const asset = market.assets.find(({ symbol }) => symbol === 'AERO')!;
  expect(Number(prices.AERO.usd)).toBe(market.priceAt(asset, prices.AERO.recorded_at.getTime()));
  const { json } = await call(`/v1/tokens/base:${aero}/price`);
  expect(json).toMatchObject({ source: 'defillama', disputedSince: null });
});

test('each second source is sent one request per run, and each kind of names has its turn', async () => {
  for (let turn = 0; turn < 4; turn++) {
    setTurn(turn);
    await runJob('syncPrices');
  }
  expect([defillama, coingecko, alchemyprices].map(({ requests }) => requests.length)).toEqual([4, 4, 4]);
  const [byContract, byId] = ['/api/v3/simple/token_price/base', '/api/v3/simple/price'];
  expect(coingecko.requests.map((path) => path.split('?')[0])).toEqual([byContract, byId, byContract, byId]);
});

test('tokens without a price are asked for first, and in turns, but never fill a request', () => {
  const token = (id: number, checkedHour: number, isDisputed = false) => ({
    id,
    chain: 'base',
    address: `0x${id}`,
    coingeckoId: null,
    isDisputed,
    checkedAt: checkedHour < 0 ? null : new Date(checkedHour * 3_600_000),
  });
  const missing = Array.from({ length: 20 }, (_, i) => token(100 + i, -1));
  const priced = [token(1, 5), token(2, 3), token(3, -1), token(4, 9, true), token(5, 1)];
  const prices = new Map(priced.map(({ id }) => [id, {} as never]));
  const asked = (turn: number) =>
    choose([...missing, ...priced], 8, { prices, checks: [[{ tokenId: 3 }, {}] as never] }, turn).map(({ id }) => id);
  expect(asked(0)).toEqual([100, 101, 102, 103, 104, 105, 4, 5]);
  expect(asked(1)).toEqual([106, 107, 108, 109, 110, 111, 4, 5]);
  const all = new Set(Array.from({ length: 10 }, (_, turn) => asked(turn)).flat());
  expect(missing.every(({ id }) => all.has(id))).toBe(true);
  // without others to compare, they may take it all
  expect(choose(missing, 8, { prices, checks: [] }, 0)).toHaveLength(8);
  expect(choose([missing[0]!, ...priced], 8, { prices, checks: [] }, 7).map(({ id }) => id)).toEqual([
    100, 4, 3, 5, 2, 1,
  ]);
});

test.each([
  ['has a low confidence', () => ({ confidence: 0.89 })],
  ['has no confidence', () => ({ confidence: undefined })],
  ['is old', () => ({ timestamp: Date.now() / 1_000 - 61 * 60 })],
  ['is of the future', () => ({ timestamp: Date.now() / 1_000 + 6 * 60 })],
  ['is zero', () => ({ price: 0 })],
  ['is not as described', () => ({ price: 'a lot' })],
])('a price that %s comes from the next source', async (_, changes) => {
  defillama.change = (name, entry) => (name.endsWith(aero) ? { ...entry, ...changes() } : entry);
  await q(`delete from portfolio.tokens where symbol = 'GONE'`);
  expect(await runJob('syncPrices')).toMatchObject({ status: 'succeeded' });
  expect(await latest()).toMatchObject({ AERO: { source: 'coingecko' }, UNI: { source: 'defillama' } });
});

test('what CoinGecko does not know, or reports as inactive, comes from Alchemy', async () => {
  defillama.change = () => undefined;
  coingecko.change = () => ({});
  const { result } = await runJob('syncPrices');
  expect(result).toMatchObject({ priced: { alchemy: 2 }, unpriced: 2, malformed: [], failures: {} });
});

test('sources that disagree mark the token, until they agree again', async () => {
  await runJob('syncPrices');
  const disputed = async () =>
    (await q(`select symbol from portfolio.tokens where disputed_since is not null`)).map(({ symbol }) => symbol);
  expect(await disputed()).toEqual([]);
  alchemyprices.change = (name, entry) =>
    name.endsWith(aero) ? { ...entry, prices: [{ ...(entry.prices as object[])[0], value: '1.9' }] } : entry;
  const path = `/v1/tokens/base:${aero}/price`;
  expect((await call(path)).json.disputedSince).toBeNull();
  await runJob('syncPrices');
  expect(await disputed()).toEqual(['AERO']);
  expect((await call(path)).json).toMatchObject({ source: 'defillama', disputedSince: expect.any(String) });
  const since = async () => await q('select since, until from portfolio.price_disputes');
  const [begun] = await since();
  await runJob('syncPrices');
  expect(await since()).toEqual([{ since: begun.since, until: null }]);
  alchemyprices.change = undefined;
  await runJob('syncPrices');
  expect(await disputed()).toEqual([]);
  expect(await since()).toEqual([{ since: begun.since, until: expect.any(Date) }]);
  expect((await call(path)).json.disputedSince).toBeNull();
});

test('a difference of 5 % is agreement, and more is not', async () => {
  const usd = 2;
  defillama.change = (_, entry) => ({ ...entry, price: usd });
  for (const [value, marked] of [
    ['2.1', 0],
    ['2.1000001', 1],
    ['1.9', 1],
    ['1.91', 0],
  ] as const) {
    alchemyprices.change = (_, entry) => ({ ...entry, prices: [{ ...(entry.prices as object[])[0], value }] });
    coingecko.change = () => undefined;
    await runJob('syncPrices');
    const [row] = await q(
      `select count(*)::int as n from portfolio.tokens where disputed_since is not null and symbol = 'AERO'`,
    );
    expect([value, row.n]).toEqual([value, marked]);
  }
});

test('what a silent source last gave stays, with its age', async () => {
  await runJob('syncPrices');
  const before = await latest();
  for (const source of [defillama, coingecko, alchemyprices]) source.change = () => undefined;
  expect((await runJob('syncPrices')).result).toMatchObject({ priced: {}, unpriced: 4 });
  expect(await latest()).toEqual(before);
});

test('a source that is down costs its own answer alone', async () => {
  defillama.faults.set({ kind: 'server-error', count: 3 });
  const { status, result } = await runJob('syncPrices');
  expect([status, result]).toMatchObject([
    'succeeded',
    { priced: { coingecko: 1, alchemy: 1 }, failures: { defillama: 'defillama prices/current: responded with 503.' } },
  ]);
});

test('an exceeded limit that comes with status 200 is not taken for prices', async () => {
  coingecko.faults.set({ kind: 'garbage', count: 1 });
  const { status, result } = await runJob('syncPrices');
  expect([status, result]).toMatchObject([
    'succeeded',
    { failures: { coingecko: 'coingecko simple/token_price: too many requests.' } },
  ]);
});

test('if all sources fail, the job tries again', async () => {
  for (const source of [defillama, coingecko, alchemyprices]) source.faults.set({ kind: 'truncated', count: 9 });
  expect(await runJob('syncPrices')).toMatchObject({ status: 'running', error: { code: 'upstream' } });
  for (const source of [defillama, coingecko, alchemyprices]) source.faults.set(undefined);
  await q(`update platform.jobs set lease_until = null`);
  expect(await runJob('syncPrices')).toMatchObject({ status: 'succeeded' });
});

test('a price keeps every digit that JSON has', async () => {
  defillama.change = (name, entry) => ({
    ...entry,
    price: name.endsWith(uni) ? 1.2345678901234567e-11 : 9.876543210987654e19,
  });
  await runJob('syncPrices');
  expect(await latest()).toMatchObject({
    UNI: { usd: '0.000000000012345678901234567' },
    BTC: { usd: '98765432109876540000' },
  });
});

test('no price takes away what another source had said of that time', async () => {
  const at = Math.floor(Date.now() / 60_000) * 60_000;
  await q(
    `insert into portfolio.price_snapshots (token_id, recorded_at, price_usd, volume_usd, source)
     select id, to_timestamp($1), 1, 17, 'import' from portfolio.tokens where symbol = 'BTC'`,
    [at / 1_000],
  );
  defillama.change = (_, entry) => ({ ...entry, timestamp: at / 1_000 });
  await runJob('syncPrices');
  const [row] = await q(
    `select source, trim_scale(volume_usd)::text as volume from portfolio.price_snapshots p join portfolio.tokens t on t.id = p.token_id
     where symbol = 'BTC'`,
  );
  expect(row).toEqual({ source: 'defillama', volume: '17' });
});
