import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { replicaCaughtUp } from '../support/database.ts';
import { wallet } from '../support/portfolios.ts';
import { createTestDomain, type JobRow, realFile } from '../support/test-domain.ts';

const { call, importFile, outboxSize, database } = await createTestDomain('portfolio');
const expectedOf = async (folder: string) =>
  JSON.parse((await realFile(`${folder}/expected.json`))?.toString() ?? 'null');
const [balances, prices, locks] = await Promise.all(
  ['07-defi-token-balances', '08-defi-prices', '09-defi-ve-locks'].map(expectedOf),
);
const sql = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

/** Decimal numbers compared by value: `139.0` is `139`. */
const plain = (decimal: string) => (decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal);
const scale = 24;
const scaled = (decimal: string) => {
  const [whole, fraction = ''] = decimal.split('.');
  return BigInt(whole! + fraction.padEnd(scale, '0'));
};
const total = (decimals: readonly string[]) => {
  const digits = decimals
    .reduce((sum, one) => sum + scaled(one), 0n)
    .toString()
    .padStart(scale + 1, '0');
  return plain(`${digits.slice(0, -scale)}.${digits.slice(-scale)}`);
};
/** The value in the middle of the order: the largest or smallest by value. */
const extreme = (decimals: readonly string[], sign: 1n | -1n) =>
  decimals.reduce((best, one) => (sign * (scaled(one) - scaled(best)) > 0n ? one : best));

interface Holding {
  token: string;
  balance: string;
  observedAt: string;
}

// the data is not part of the project and has to be next to the checkout
describe.skipIf(!balances)('balances of the holders of tokens', () => {
  let job: JobRow;
  let walletsOf: Map<string, string[]>;
  const file = async () => (await realFile('07-defi-token-balances/token_balances.csv.gz'))!;
  beforeAll(async () => {
    job = await importFile('balances', 'token_balances.csv.gz', await file());
    walletsOf = new Map();
    for (const line of gunzipSync(await file())
      .toString()
      .trim()
      .split('\n')
      .slice(1)) {
      const [at, symbol, chain, address] = line.split(',');
      const key = `${symbol}/${chain}/${at}`;
      walletsOf.set(key, [...(walletsOf.get(key) ?? []), address!.toLowerCase()]);
    }
    await replicaCaughtUp(database.pool);
  }, 120_000);

  /** The holdings of a token as of a snapshot's instant, by wallet, from the API: 200 wallets a call. */
  async function holdingsAt(wallets: readonly string[], token: string, at: string): Promise<Map<string, Holding>> {
    const found = new Map<string, Holding>();
    for (let i = 0; i < wallets.length; i += 200) {
      const body = { wallets: wallets.slice(i, i + 200), at };
      const { status, json } = await call('/v1/portfolios/batch', { method: 'POST', body });
      expect(status).toBe(200);
      for (const one of json.portfolios)
        for (const holding of one.holdings) if (holding.token === token) found.set(one.wallet, holding);
    }
    return found;
  }

  test('every row is applied, and a repeated file changes and announces nothing', async () => {
    expect(job).toMatchObject({ status: 'succeeded', rows_read: 34_000, rows_applied: 34_000, rows_rejected: 0 });
    const [{ changes }] = await sql('select count(*)::int as changes from portfolio.balance_changes');
    expect(changes).toBeLessThan(34_000);
    const before = await outboxSize();
    const again = await importFile('balances', 'again.csv.gz', await file());
    expect(again).toMatchObject({ rows_applied: 0, rows_unchanged: 34_000 });
    expect(await outboxSize()).toBe(before);
  }, 60_000);

  test('as of each snapshot, the holders, the sum, the largest, and the smallest balance are those of the file', async () => {
    for (const [symbol, chain, at, rows, distinct, sum, max, min] of balances.per_snapshot) {
      const token = `${chain}:${symbol.toLowerCase()}`;
      const held = [...(await holdingsAt(walletsOf.get(`${symbol}/${chain}/${at}`)!, token, at)).values()];
      expect(held.every(({ observedAt }) => observedAt === at)).toBe(true);
      const amounts = held.map(({ balance }) => balance);
      expect([token, at, held.length, total(amounts), extreme(amounts, 1n), extreme(amounts, -1n)]).toEqual([
        token,
        at,
        distinct,
        plain(sum),
        plain(max),
        plain(min),
      ]);
      expect(rows).toBe(distinct);
    }
  }, 120_000);

  test('the top holders are those of the file, and a single portfolio agrees', async () => {
    for (const [name, top] of Object.entries<[string, string][]>(balances.top10_last)) {
      const [symbol, chain] = name.split('/') as [string, string];
      const token = `${chain}:${symbol.toLowerCase()}`;
      const at = balances.per_snapshot.filter((one: string[]) => one[0] === symbol && one[1] === chain).at(-1)[2];
      const held = await holdingsAt(walletsOf.get(`${symbol}/${chain}/${at}`)!, token, at);
      const sorted = [...held].sort(([, a], [, b]) => (scaled(b.balance) > scaled(a.balance) ? 1 : -1));
      expect(sorted.slice(0, 10).map(([address, { balance }]) => [address, balance])).toEqual(
        top.map(([address, balance]) => [address, plain(balance)]),
      );
      const { json } = await call(`/v1/portfolios/${top[0]![0]}?at=${at}`);
      expect(json.holdings.find((one: Holding) => one.token === token)).toMatchObject({ balance: plain(top[0]![1]) });
    }
  });

  test('a wallet that left a list keeps what it had, with the time at which it was seen', async () => {
    const [first, second] = balances.per_snapshot.map((one: string[]) => one[2]);
    const left = walletsOf
      .get(`HUNT/base/${first}`)!
      .filter((one) => !walletsOf.get(`HUNT/base/${second}`)!.includes(one));
    expect(left.length).toBeGreaterThan(0);
    const held = [...(await holdingsAt(left, 'base:hunt', second)).values()];
    expect([held.length, new Set(held.map(({ observedAt }) => observedAt))]).toEqual([left.length, new Set([first])]);
  });

  test('nothing has a price, and so nothing has a value', async () => {
    const { json } = await call('/v1/portfolios?limit=100');
    expect(json.total).toBe(new Set([...walletsOf.values()].flat()).size);
    expect(json.portfolios.every((one: { valueUsd: string | null }) => one.valueUsd === null)).toBe(true);
    expect((await call('/v1/portfolios?minValue=0')).json.total).toBe(0);
  });
});

describe.skipIf(!prices)('daily candles in two forms of dates', () => {
  test('counts and monthly candles are those of the file, from the candles that the API returns', async () => {
    const job = await importFile(
      'prices',
      'daily.csv.gz',
      (await realFile('08-defi-prices/token_prices_daily.csv.gz'))!,
    );
    expect(job).toMatchObject({ status: 'succeeded', rows_read: 7_172, rows_applied: 7_172, rows_rejected: 0 });
    for (const [symbol, one] of Object.entries<{ rows: number; first: string; last: string; monthly: string[][] }>(
      prices.per_symbol,
    )) {
      const range = 'from=2013-01-01T00:00:00Z&to=2022-01-01T00:00:00Z&limit=5000';
      const { json } = await call(`/v1/tokens/${symbol}/prices?${range}`);
      const candles: Record<'at' | 'openUsd' | 'highUsd' | 'lowUsd' | 'priceUsd', string>[] = json.prices;
      expect([symbol, candles.length, candles[0]!.at.slice(0, 10), candles.at(-1)!.at.slice(0, 10)]).toEqual([
        symbol,
        one.rows,
        one.first,
        one.last,
      ]);
      const byMonth = Object.entries(Object.groupBy(candles, ({ at }) => at.slice(0, 7)));
      expect(
        byMonth.map(([month, days]) => [
          month,
          days!.length,
          days![0]!.openUsd,
          extreme(
            days!.map(({ highUsd }) => highUsd),
            1n,
          ),
          extreme(
            days!.map(({ lowUsd }) => lowUsd),
            -1n,
          ),
          days!.at(-1)!.priceUsd,
        ]),
      ).toEqual(one.monthly.map(([month, rows, ...values]) => [month, rows, ...values.map(plain)]));
    }
  });
});

describe.skipIf(!locks)('governance locks', () => {
  const owner = wallet(0x10c);
  interface Lock {
    protocol: string;
    id: string;
    amount: string;
    unlockAt: string;
    observedAt: string;
    at: string;
  }
  const seconds = (time: string) => Date.parse(time) / 1_000;
  /** Every item of a list, over all its pages. */
  async function everyPage(path: string, items: 'locks' | 'snapshots'): Promise<Lock[]> {
    const all: Lock[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json } = await call(`${path}${cursor === '' ? '' : `&cursor=${cursor}`}`);
      all.push(...json[items]);
      cursor = json.nextCursor;
    }
    return all;
  }
  beforeAll(async () => {
    // the file names no owners
    const set = { wallet_address: owner };
    const job = await importFile(
      'locks',
      've_locks.csv.gz',
      (await realFile('09-defi-ve-locks/ve_locks.csv.gz'))!,
      set,
    );
    expect(job).toMatchObject({ status: 'succeeded', rows_read: 66_928, rows_applied: 66_928, rows_rejected: 0 });
  }, 120_000);

  test('each snapshot has the locks of the file, with all 18 decimals', async () => {
    const history = [];
    for (const [from, to] of [
      ['2023-06-01', '2024-01-01'],
      ['2024-01-01', '2024-09-01'],
    ])
      history.push(
        ...(await everyPage(
          `/v1/portfolios/${owner}/positions/history?from=${from}T00:00:00Z&to=${to}T00:00:00Z&limit=5000`,
          'snapshots',
        )),
      );
    expect(history.length).toBe(66_928);
    for (const [protocol, at, rows, distinct, sum, active, activeSum, minEnd, maxEnd] of locks.per_snapshot) {
      const found = history.filter((one) => one.protocol === protocol && one.at === new Date(at).toISOString());
      const locked = found.filter(({ unlockAt }) => seconds(unlockAt) > seconds(at));
      const ends = found.map(({ unlockAt }) => seconds(unlockAt));
      expect([
        protocol,
        at,
        found.length,
        new Set(found.map(({ id }) => id)).size,
        total(found.map((one) => one.amount)),
      ]).toEqual([protocol, at, rows, distinct, plain(sum)]);
      expect([locked.length, total(locked.map((one) => one.amount)), Math.min(...ends), Math.max(...ends)]).toEqual([
        active,
        plain(activeSum),
        minEnd,
        maxEnd,
      ]);
    }
  }, 120_000);

  test('the largest locks are those of the last whole snapshots: a broken one unlocks nothing', async () => {
    const current = await everyPage(`/v1/portfolios/${owner}/locks?limit=200`, 'locks');
    for (const [protocol, { snapshot_at: at, locks: top }] of Object.entries<{ snapshot_at: string; locks: unknown[] }>(
      locks.top10_last,
    )) {
      const found = current.filter((one) => one.protocol === protocol);
      // as of the last whole snapshot, and of the broken one after it
      const seen = found.filter(({ observedAt }) => seconds(observedAt) >= seconds(at));
      const [, , rows] = locks.per_snapshot.find((one: string[]) => one[0] === protocol && one[1] === at);
      expect([protocol, seen.length]).toEqual([protocol, rows]);
      // equal amounts in the order of the file
      const inOrder = [...seen].sort(
        (a, b) => Number(scaled(b.amount) - scaled(a.amount)) || Number(a.id) - Number(b.id),
      );
      expect(inOrder.slice(0, 10).map(({ id, amount, unlockAt }) => [Number(id), amount, seconds(unlockAt)])).toEqual(
        (top as [number, string, number][]).map(([id, amount, end]) => [id, plain(amount), end]),
      );
    }
    const flow = current.filter(({ protocol }) => protocol === 'veFlow');
    expect(flow.filter(({ observedAt }) => observedAt.startsWith('2023-11')).length).toBe(1);
    expect(flow.filter(({ amount }) => amount !== '0').length).toBe(flow.length);
  }, 60_000);
});
