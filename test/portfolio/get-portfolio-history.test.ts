import { expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importBalances } = portfolioImports(domain);
const history = (query: string, n = 1) => call(`/v1/portfolios/${wallet(n)}/history?${query}`);
const id = (n: number) => `(select id from portfolio.wallets where address = '\\x${wallet(n).slice(2)}')`;
/** Snapshots of a wallet: the time, the value, and the numbers of priced and unpriced tokens. */
const record = (n: number, ...snapshots: [at: string, value: number, priced?: number, unpriced?: number][]) =>
  commit(async (tx) => {
    for (const [at, value, priced = 1, unpriced = 0] of snapshots)
      await tx.query(`insert into portfolio.portfolio_snapshots_late select ${id(n)}, $1, $2, $3, $4`, [
        at,
        value,
        priced,
        unpriced,
      ]);
  });
await importBalances([wallet(1), 'AAA', '2020-01-01T00:00:00Z', 1], [wallet(2), 'AAA', '2020-01-01T00:00:00Z', 1]);

test('the value of a wallet by interval: the last, lowest, and highest', async () => {
  expect((await history('', 3)).status).toBe(404);
  const empty = { wallet: wallet(1), interval: '1h', points: [], nextCursor: null };
  expect((await history('')).json).toEqual({ ...empty, coverage: { since: null, until: null, missingIntervals: 0 } });
  await record(
    1,
    ['2020-03-01T10:00:00Z', 100],
    ['2020-03-01T10:05:00Z', 90.5, 3, 2],
    ['2020-03-01T10:55:00Z', 95, 4, 1],
    ['2020-03-01T13:00:00Z', 110],
  );
  const { json } = await history('from=2020-03-01T00:00:00Z&to=2020-03-02T00:00:00Z');
  expect(json.coverage).toEqual({
    since: '2020-03-01T10:00:00.000Z',
    until: '2020-03-01T13:00:00.000Z',
    // 11:00 and 12:00
    missingIntervals: 2,
  });
  expect(json.points).toEqual([
    {
      at: '2020-03-01T10:00:00.000Z',
      capturedAt: '2020-03-01T10:55:00.000Z',
      valueUsd: '95',
      lowUsd: '90.5',
      highUsd: '100',
      pricedTokens: 4,
      unpricedTokens: 1,
      moves: [],
    },
    expect.objectContaining({ at: '2020-03-01T13:00:00.000Z', valueUsd: '110' }),
  ]);
  const daily = (await history('from=2020-03-01T00:00:00Z&to=2020-03-02T00:00:00Z&interval=1d')).json;
  expect(daily.points.map(({ at, valueUsd, lowUsd }: Record<string, string>) => [at, valueUsd, lowUsd])).toEqual([
    ['2020-03-01T00:00:00.000Z', '110', '90.5'],
  ]);
  expect(daily.coverage.missingIntervals).toBe(0);
});

test('an asset that moved the value is named, with its sources', async () => {
  await commit((tx) =>
    tx.query(`insert into portfolio.value_moves
      select ${id(1)}, '2020-03-01T10:55:00Z', id, 80, 84.50, '{defillama,coingecko}' from portfolio.tokens where key = 'aaa'`),
  );
  const { json } = await history('from=2020-03-01T00:00:00Z&to=2020-03-02T00:00:00Z');
  expect(json.points.map(({ moves }: { moves: unknown[] }) => moves)).toEqual([
    [
      {
        at: '2020-03-01T10:55:00.000Z',
        token: 'aaa',
        beforeUsd: '80',
        afterUsd: '84.5',
        sources: ['defillama', 'coingecko'],
      },
    ],
    [],
  ]);
});

test('every point once over all pages, and a late snapshot shows at once', async () => {
  const at = (n: number) => new Date(Date.UTC(2021, 0, 1) + n * 300_000).toISOString();
  await record(2, ...Array.from({ length: 100 }, (_, n): [string, number] => [at(n), n]).filter((_, n) => n % 7 > 0));
  const query = 'from=2021-01-01T00:00:00Z&to=2021-01-02T00:00:00Z&interval=5m&limit=9';
  const all = async () => {
    const values: string[] = [];
    let missing = 0;
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json } = await history(`${query}${cursor === '' ? '' : `&cursor=${cursor}`}`, 2);
      values.push(...json.points.map(({ valueUsd }: { valueUsd: string }) => valueUsd));
      missing += json.coverage.missingIntervals;
      cursor = json.nextCursor;
    }
    return { values, missing };
  };
  const expected = Array.from({ length: 100 }, (_, n) => n).filter((n) => n % 7 > 0);
  // the first one is missing too, but nobody knows of it
  expect(await all()).toEqual({ values: expected.map(String), missing: 14 });
  await record(2, [at(14), 14]);
  expect((await all()).values).toEqual([...expected, 14].sort((a, b) => a - b).map(String));
});

test('a value of which no part is known is null, and counts for no extreme', async () => {
  await record(2, ['2022-03-01T10:00:00Z', 50], ['2022-03-01T10:05:00Z', 0, 0, 3], ['2022-03-01T11:00:00Z', 0, 0, 3]);
  const { json } = await history('from=2022-03-01T00:00:00Z&to=2022-03-02T00:00:00Z', 2);
  expect(json.points).toMatchObject([
    { valueUsd: null, lowUsd: '50', highUsd: '50', pricedTokens: 0, unpricedTokens: 3 },
    { valueUsd: null, lowUsd: null, highUsd: null, pricedTokens: 0, unpricedTokens: 3 },
  ]);
});

test('a range that ends soon after the first block begins with it', async () => {
  expect((await history('to=2009-06-01T00:00:00Z&interval=1d')).json.points).toEqual([]);
});

const soon = new Date(Date.now() + 60_000).toISOString();
test.each([
  ['an inverted range', 'from=2020-03-02T00:00:00Z&to=2020-03-01T00:00:00Z', 'query.to', 'after from'],
  ['an empty range', 'from=2020-03-01T00:00:00Z&to=2020-03-01T00:00:00Z', 'query.to', 'after from'],
  ['too many points', 'from=2020-03-01T00:00:00Z&to=2020-04-06T00:00:00Z&interval=5m', 'query.from', '35 days'],
  ['too many hours', 'from=2020-03-01T00:00:00Z&to=2021-06-01T00:00:00Z&interval=1h', 'query.from', '400 days'],
  ['the future', `from=${soon}`, 'query.from', 'until now'],
  [
    'before the first block',
    'from=2008-12-31T00:00:00Z&to=2009-12-31T00:00:00Z&interval=1d',
    'query.from',
    '2009-01-03',
  ],
  ['a time that is none', 'from=yesterday', 'query.from', 'ISO'],
  ['an unknown interval', 'interval=2h', 'query.interval', '5m'],
])('%s is refused, with the limit', async (_, query, field, limit) => {
  const { status, json } = await history(query);
  expect([status, json.errors[0].field, json.errors[0].message]).toEqual([400, field, expect.stringContaining(limit)]);
});
