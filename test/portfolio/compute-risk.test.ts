import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { replicaCaughtUp } from '../support/database.ts';
import { createPortfolio } from '../support/portfolio.ts';

const { q, runJob, addToken, addWallet, database } = await createPortfolio();
const dayMs = 86_400_000;
/** Runs the job when the reader shows everything. */
const computeRisk = async () => {
  await replicaCaughtUp(database.pool);
  return runJob('computeRisk');
};
const today = Math.floor(Date.now() / dayMs) * dayMs;

/** Amounts by the time at which they were recorded, in milliseconds. */
type Series = readonly (readonly [atMs: number, amount: number])[];

let [tokens, wallet] = [[] as number[], 0];
beforeEach(async () => {
  await q('truncate portfolio.tokens, portfolio.wallets, platform.checkpoints cascade');
  tokens = [];
  for (const symbol of ['A', 'B', 'C']) tokens.push(await addToken(null, null, symbol));
  wallet = await addWallet(`0x${'01'.repeat(20)}`);
});

const recordPrices = (token: number, series: Series) =>
  q(
    `insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
     select $1, to_timestamp(at / 1000.0), amount, 'import' from unnest($2::float8[], $3::numeric[]) as s (at, amount)`,
    [token, series.map(([at]) => at), series.map(([, amount]) => String(amount))],
  );
const recordValues = (series: Series) =>
  q(
    `insert into portfolio.portfolio_snapshots_late (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
     select $1, to_timestamp(at / 1000.0), amount, 1, 0 from unnest($2::float8[], $3::numeric[]) as s (at, amount)`,
    [wallet, series.map(([at]) => at), series.map(([, amount]) => String(amount))],
  );

/** By day: the logarithm of the day's last amount over that of the day before. */
function returnsOf(series: Series, days: number): Map<number, number> {
  const closes = new Map<number, readonly [number, number]>();
  for (const one of series) {
    const day = Math.floor(one[0] / dayMs);
    if (one[0] < today && one[0] >= (closes.get(day)?.[0] ?? 0)) closes.set(day, one);
  }
  const returns = new Map<number, number>();
  for (const [day, [, amount]] of closes) {
    const before = closes.get(day - 1)?.[1];
    if (before !== undefined && before > 0 && amount > 0 && day >= today / dayMs - days)
      returns.set(day, Math.log(amount / before));
  }
  return returns;
}

const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

function pearson(pairs: readonly (readonly [number, number])[]): number {
  const [a, b] = [mean(pairs.map(([x]) => x)), mean(pairs.map(([, y]) => y))];
  const sum = (of: (x: number, y: number) => number) => pairs.reduce((all, [x, y]) => all + of(x - a, y - b), 0);
  return sum((x, y) => x * y) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y));
}

const minReturns = { '30d': 20, '90d': 60 };
const frames = [
  ['30d', 30],
  ['90d', 90],
] as const;

/** Random walks over the last 100 days, with gaps, several amounts on some days, and some of today. */
const series: fc.Arbitrary<Series> = fc
  .noBias(
    fc.array(
      fc.record({
        step: fc.integer({ min: -300_000, max: 300_000 }).map((n) => n / 1_000_000),
        isThere: fc.integer({ min: 0, max: 19 }).map((n) => n > 0),
        isTwice: fc.boolean(),
      }),
      { minLength: 101, maxLength: 101 },
    ),
  )
  .map((steps) => {
    let amount = 100;
    return steps.flatMap(({ step, isThere, isTwice }, i) => {
      amount = Number((amount * Math.exp(step)).toPrecision(10));
      const at = today - (100 - i) * dayMs;
      if (!isThere) return [];
      const early = [at + 3_600_000, Number((amount * 0.7).toPrecision(10))] as const;
      return isTwice ? [early, [at + dayMs - 1, amount] as const] : [[at + 7_200_000, amount] as const];
    });
  });

test('figures are those of a plain computation over the same days', async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(series, series, series), async ([a, b, values]) => {
      await q('truncate portfolio.price_snapshots_late, portfolio.latest_prices, portfolio.portfolio_snapshots_late');
      await recordPrices(tokens[0]!, a);
      await recordPrices(tokens[1]!, b);
      await recordValues(values);
      expect(await computeRisk()).toMatchObject({ status: 'succeeded', error: null });
      const expected = frames.flatMap(([timeframe, days]) => {
        const [ofA, ofB] = [returnsOf(a, days), returnsOf(b, days)];
        const pairs = [...ofA].flatMap(([day, x]) => (ofB.has(day) ? [[x, ofB.get(day)!] as const] : []));
        return pairs.length < minReturns[timeframe]
          ? []
          : [
              {
                timeframe,
                token_id: tokens[0],
                other_token_id: tokens[1],
                days: pairs.length,
                correlation: expect.closeTo(pearson(pairs), 9),
              },
            ];
      });
      const found = await q(
        'select timeframe, token_id, other_token_id, days, correlation from portfolio.asset_correlations order by timeframe',
      );
      expect(found).toEqual(expected);

      const risks = await q('select timeframe, volatility, max_drawdown, days from portfolio.wallet_risks order by 1');
      expect(risks).toEqual(
        frames.map(([timeframe, days]) => {
          const returns = [...returnsOf(values, days).values()];
          const within = values.filter(([at]) => at >= today - days * dayMs && at < today);
          const dayCount = new Set(within.map(([at]) => Math.floor(at / dayMs))).size;
          const m = mean(returns);
          const deviation = Math.sqrt(returns.reduce((sum, one) => sum + (one - m) ** 2, 0) / (returns.length - 1));
          let [peak, drawdown] = [0, 0];
          for (const [, amount] of within) {
            peak = Math.max(peak, amount);
            drawdown = Math.max(drawdown, 1 - amount / peak);
          }
          return {
            timeframe,
            volatility: returns.length < minReturns[timeframe] ? null : expect.closeTo(deviation * Math.sqrt(365), 8),
            max_drawdown: dayCount < minReturns[timeframe] ? null : expect.closeTo(drawdown, 9),
            days: dayCount,
          };
        }),
      );
    }),
    { numRuns: 15, endOnFailure: true },
  );
});

const daily = (count: number, amountAt: (i: number) => number): Series =>
  Array.from({ length: count }, (_, i) => [today - (count - i) * dayMs + 1_000, amountAt(i)] as const);

test('too few common days give no figure, and neither does an asset that never moved', async () => {
  await recordPrices(
    tokens[0]!,
    daily(20, (i) => 1 + (i % 3)),
  );
  await recordPrices(
    tokens[1]!,
    daily(95, (i) => 5 + (i % 4)),
  );
  await recordPrices(
    tokens[2]!,
    daily(95, () => 1),
  );
  await recordValues(daily(20, (i) => 10 + (i % 2)));
  await computeRisk();
  expect(await q('select * from portfolio.asset_correlations')).toEqual([]);
  expect(await q('select timeframe, volatility, max_drawdown, days from portfolio.wallet_risks order by 1')).toEqual([
    { timeframe: '30d', volatility: null, max_drawdown: expect.closeTo(1 / 11, 9), days: 20 },
    { timeframe: '90d', volatility: null, max_drawdown: null, days: 20 },
  ]);
});

test('a value that is unknown is no fall to zero, and no day with a value', async () => {
  await recordValues(daily(25, (i) => 10 + (i % 2)));
  await q(
    `insert into portfolio.portfolio_snapshots_late (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
     select $1, to_timestamp($2 / 1000.0) - n * interval '1 day', 0, 0, 2 from unnest(array[1, 28]) as n`,
    [wallet, today + 7_200_000],
  );
  await computeRisk();
  expect(
    await q(`select volatility > 0 as varied, max_drawdown, days from portfolio.wallet_risks where timeframe = '30d'`),
  ).toEqual([{ varied: true, max_drawdown: expect.closeTo(1 / 11, 9), days: 25 }]);
});

test('a new computation replaces the correlations of the last one', async () => {
  await recordPrices(
    tokens[0]!,
    daily(95, (i) => 1 + (i % 3)),
  );
  await recordPrices(
    tokens[1]!,
    daily(95, (i) => 2 + 2 * (i % 3)),
  );
  await computeRisk();
  expect(await q('select timeframe, correlation from portfolio.asset_correlations order by 1')).toEqual([
    { timeframe: '30d', correlation: expect.closeTo(1, 9) },
    { timeframe: '90d', correlation: expect.closeTo(1, 9) },
  ]);
  await q('delete from portfolio.price_snapshots_late where token_id = $1', [tokens[0]]);
  await computeRisk();
  expect(await q('select * from portfolio.asset_correlations')).toEqual([]);
});

test('a wallet that was worth nothing has no return of that day, and loses everything', async () => {
  await recordValues(daily(40, (i) => (i === 35 ? 0 : 10)));
  await computeRisk();
  expect(await q(`select volatility, max_drawdown, days from portfolio.wallet_risks where timeframe = '30d'`)).toEqual([
    { volatility: 0, max_drawdown: 1, days: 30 },
  ]);
});

test('more wallets than a batch are computed too', async () => {
  for (let i = 2; i <= 45; i++) await addWallet(`0x${i.toString(16).padStart(40, '0')}`);
  expect(await computeRisk()).toMatchObject({ status: 'succeeded', rows_applied: 90 });
});
