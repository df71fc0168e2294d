import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPortfolio } from '../support/portfolio.ts';
import { portfolioImports } from '../support/portfolios.ts';

const domain = await createPortfolio();
const { q, runJob, addToken, addWallet, call } = domain;
const { importBalances, importPrices } = portfolioImports(domain);
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const minuteMs = 60_000;
let [alice, btc, eth, dust] = [0, 0, 0, 0];

beforeEach(async () => {
  await q('truncate portfolio.tokens, portfolio.wallets cascade');
  alice = await addWallet(addressOf(1));
  btc = await addToken(null, null, 'BTC');
  eth = await addToken(null, null, 'ETH');
  dust = await addToken(null, null, 'DUST');
});
afterEach(() => vi.restoreAllMocks());

const price = (token: number, usd: string, source = 'defillama', ageHours = 0) =>
  q(
    `insert into portfolio.latest_prices (token_id, recorded_at, first_recorded_at, price_usd, source)
     values ($1, now() - make_interval(mins => $2 + 6), '-infinity', $3, $4)
     on conflict (token_id) do update set recorded_at = excluded.recorded_at, price_usd = excluded.price_usd, source = excluded.source`,
    [token, ageHours * 60, usd, source],
  );
const hold = (token: number, balance: string, wallet = alice) =>
  q(
    `insert into portfolio.token_balances (wallet_id, token_id, balance, as_of, since) values ($1, $2, $3, now() - interval '6 minutes', now() - interval '6 minutes')
     on conflict (wallet_id, token_id) do update set balance = excluded.balance`,
    [wallet, token, balance],
  );
const realNow = Date.now;
/** Takes a snapshot so many intervals of five minutes from now. */
const snapshot = async (intervals = 0) => {
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + intervals * 5 * minuteMs);
  const job = await runJob('snapshotPortfolios');
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  return job.result;
};
const snapshots = () =>
  q(`select wallet_id, captured_at, trim_scale(value_usd)::text as usd, priced_tokens as priced, unpriced_tokens as unpriced
     from portfolio.portfolio_snapshots_rows(array(select id from portfolio.wallets), '-infinity', 'infinity', '-infinity')
     order by captured_at, wallet_id`);
const moves = () =>
  q(`select token_id as token, trim_scale(before_usd)::text as before, trim_scale(after_usd)::text as after, sources
     from portfolio.value_moves order by captured_at, token_id`);

test('a value is exact, and what has no price of the last three days counts as unpriced', async () => {
  const stranger = await addWallet(addressOf(2), false);
  const poor = await addWallet(addressOf(3));
  await price(btc, '96123.123456789012345678901234567890');
  await price(eth, '3400', 'coingecko', 71);
  await price(dust, '1', 'import', 73);
  await hold(btc, '0.000000000000000001');
  await hold(eth, '2');
  await hold(dust, '1000000');
  await hold(dust, '0', poor);
  await hold(btc, '5', stranger);
  expect(await snapshot()).toMatchObject({ wallets: 2, moves: 0 });
  const [row, empty, ...more] = await snapshots();
  expect(row).toMatchObject({
    wallet_id: alice,
    usd: '6800.00000000000009612312345678901234567890123456789'.replace(/0+$/, ''),
    priced: 2,
    unpriced: 1,
  });
  expect(row.captured_at.getTime() % (5 * minuteMs)).toBe(0);
  expect([empty, more]).toMatchObject([{ wallet_id: poor, usd: '0', priced: 0, unpriced: 0 }, []]);
});

test('a message delivered twice changes nothing, and the next interval is another snapshot', async () => {
  await price(btc, '10');
  await hold(btc, '1');
  await snapshot();
  await price(btc, '20');
  const [{ outbox }] = await q('select count(*)::int as outbox from platform.outbox');
  expect(await snapshot()).toMatchObject({ wallets: 0, moves: 0 });
  expect(await q('select count(*)::int as outbox from platform.outbox')).toEqual([{ outbox }]);
  expect((await snapshots()).map(({ usd }) => usd)).toEqual(['10']);
  expect(await snapshot(1)).toMatchObject({ wallets: 1, moves: 1 });
  expect((await snapshots()).map(({ usd }) => usd)).toEqual(['10', '20']);
});

test('an asset that moved the value by more than 20 % is named, with its sources', async () => {
  await price(btc, '100');
  await price(eth, '50', 'coingecko');
  await hold(btc, '1');
  await hold(eth, '2');
  await snapshot();
  expect(await moves()).toEqual([]);
  // exactly 20 % of 200
  await price(btc, '140');
  await snapshot(1);
  expect(await moves()).toEqual([]);
  await price(btc, '188.0000001', 'alchemy');
  await snapshot(2);
  expect(await moves()).toEqual([
    { token: btc, before: '140', after: '188.0000001', sources: ['alchemy', 'defillama'] },
  ]);
  // sold, and bought: both moved it, though the sum stayed
  await q('truncate portfolio.value_moves');
  await hold(btc, '0');
  await hold(eth, '5.760000002');
  await snapshot(3);
  expect(await moves()).toEqual([
    { token: btc, before: '188.0000001', after: '0', sources: ['alchemy'] },
    { token: eth, before: '100', after: '288.0000001', sources: ['coingecko'] },
  ]);
});

test('a price that goes away or comes is not a value of zero', async () => {
  await price(btc, '100');
  await hold(btc, '1');
  await hold(dust, '1');
  await snapshot();
  await price(btc, '100', 'defillama', 80);
  await price(dust, '40', 'alchemy');
  await snapshot(1);
  expect(await moves()).toEqual([
    { token: btc, before: '100', after: null, sources: ['defillama'] },
    { token: dust, before: null, after: '40', sources: ['alchemy'] },
  ]);
  expect((await snapshots()).map(({ usd, priced, unpriced }) => [usd, priced, unpriced])).toEqual([
    ['100', 1, 1],
    ['40', 1, 1],
  ]);
});

test('a wallet without a value before has no move', async () => {
  await hold(btc, '1');
  await snapshot();
  await price(btc, '100');
  await snapshot(1);
  expect(await moves()).toEqual([]);
});

test('a wallet of which nothing is known has no value, not one of zero', async () => {
  await price(btc, '10');
  expect(await snapshot()).toMatchObject({ wallets: 0 });
  await hold(btc, '0');
  await snapshot(1);
  expect((await snapshots()).map(({ usd }) => usd)).toEqual(['0']);
});

test('a snapshot that is taken late has the balances and prices of its time, as `at` does', async () => {
  const [address, intervalMs] = [addressOf(1), 5 * minuteMs];
  const at = Math.floor(Date.now() / intervalMs) * intervalMs;
  const [before, after] = [at - minuteMs, at + 1].map((ms) => new Date(ms).toISOString()) as [string, string];
  await importBalances([address, 'BTC', before, 2], [address, 'BTC', after, 3]);
  await importBalances([address, 'ETH', before, 1], [address, 'DUST', after, 1]);
  await importPrices(['BTC', before, 10], ['BTC', after, 100], ['ETH', after, 5]);
  // the time of the snapshot, whatever has passed since
  vi.spyOn(Date, 'now').mockImplementation(() => at + intervalMs - 1);
  await runJob('snapshotPortfolios');
  vi.restoreAllMocks();
  const { json } = await call(`/v1/portfolios/${address}?at=${new Date(at).toISOString()}`);
  expect(json).toMatchObject({ valueUsd: '20', pricedTokens: 1, unpricedTokens: 1 });
  expect(await snapshots()).toMatchObject([
    { wallet_id: alice, captured_at: new Date(at), usd: '20', priced: 1, unpriced: 1 },
  ]);
});
