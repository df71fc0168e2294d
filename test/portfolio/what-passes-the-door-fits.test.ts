/** Whatever the schemas of price sources and of chains accept, the tables take. */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { tokenPrices } from '../../functions/portfolio/sources/alchemy-prices.ts';
import { simplePrice } from '../../functions/portfolio/sources/coingecko.ts';
import { coin } from '../../functions/portfolio/sources/defillama.ts';
import { createMarket } from '../../local/upstreams/market.ts';
import { createToken, setBalance } from '../../local/upstreams/tokens.ts';
import { acceptedBy } from '../support/accepted-values.ts';
import { createChains } from '../support/chains.ts';
import { startPriceSources } from '../support/price-sources.ts';

const market = createMarket();
const { environment, defillama, coingecko, alchemyprices } = await startPriceSources(market);
const { q, runJob, addToken, addWallet, base } = await createChains(environment);
const address = market.assets.find(({ symbol }) => symbol === 'AERO')!.contracts.base!;
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const numRuns = 25;

beforeEach(async () => {
  await q('truncate portfolio.tokens, portfolio.wallets, platform.quarantine, platform.checkpoints cascade');
});

/** How many prices one run of the job stores, with nothing rejected. */
async function pricesStored(): Promise<number> {
  await q(
    'truncate portfolio.price_snapshots, portfolio.latest_prices, portfolio.price_checks, portfolio.price_disputes',
  );
  expect(await runJob('syncPrices')).toMatchObject({ status: 'succeeded', error: null, rows_rejected: 0 });
  return (await q('select from portfolio.price_snapshots')).length;
}

const isWorthSomething = (value: unknown) => /[1-9]/.test(String(value).split('e')[0]!);
const now = () => Math.floor(Date.now() / 1_000);

test.each(['of now', 'of any time'])('prices %s', async (time) => {
  await addToken('base', address, 'AERO');
  const isNow = time === 'of now';
  const accepted = fc.tuple(acceptedBy(coin), acceptedBy(simplePrice), acceptedBy(tokenPrices));
  await fc.assert(
    fc.asyncProperty(accepted, async ([first, second, third]) => {
      defillama.change = () => ({ ...first, ...(isNow ? { timestamp: now(), confidence: 1 } : {}) });
      coingecko.change = () => ({ ...second, ...(isNow ? { last_updated_at: now() } : {}) });
      alchemyprices.change = (_, entry) => ({ ...entry, ...third });
      const stored = await pricesStored();
      if (isNow) expect(stored).toBe(isWorthSomething(first.price) || isWorthSomething(second.usd) ? 1 : stored);
    }),
    { numRuns, endOnFailure: true },
  );
});

test('balances of all decimals, and what they are worth', async () => {
  const balance = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), fc.constantFrom(0n, 1n, 2n ** 256n - 1n));
  const wallet = await addWallet(addressOf(1));
  let n = 0;
  const price = fc.constantFrom('5e-324', '1.7976931348623157e308', '1', '0.3333333333333333');
  await fc.assert(
    fc.asyncProperty(balance, fc.integer({ min: 0, max: 77 }), price, async (amount, decimals, usd) => {
      const contract = addressOf(1_000 + ++n);
      const token = createToken(decimals);
      setBalance(token, addressOf(1), 0n, amount);
      base.tokens.set(contract, token);
      const id = await addToken('base', contract, null);
      expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded', error: null });
      const [row] = await q(
        'select trim_scale(balance * 10::numeric ^ $2::integer)::text as amount from portfolio.token_balances where token_id = $1',
        [id, decimals],
      );
      expect(row).toEqual({ amount: String(amount) });
      await q(
        `insert into portfolio.price_snapshots (token_id, recorded_at, price_usd, source)
         values ($1, date_trunc('milliseconds', now()), $2, 'defillama')`,
        [id, usd],
      );
      await q('truncate portfolio.portfolio_snapshots, portfolio.portfolio_snapshots_late');
      expect(await runJob('snapshotPortfolios')).toMatchObject({ status: 'succeeded', error: null });
    }),
    { numRuns: 20, endOnFailure: true },
  );
  // such values over many days, for the figures of risk
  await q('truncate portfolio.portfolio_snapshots, portfolio.portfolio_snapshots_late, portfolio.price_snapshots_late');
  await q(
    `insert into portfolio.portfolio_snapshots_late (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
     select $1, date_trunc('day', now(), 'UTC') - make_interval(days => d), ('1e' || (d * 9 - 400))::numeric, 1, 0
     from generate_series(1, 91) as d`,
    [wallet],
  );
  await q(
    `insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
     select t.id, date_trunc('day', now(), 'UTC') - make_interval(days => d), ('1e' || (d * 7 - 320))::numeric, 'defillama'
     from generate_series(1, 91) as d, portfolio.tokens t`,
  );
  expect(await runJob('computeRisk')).toMatchObject({ status: 'succeeded', error: null });
});
