/** What a wallet held at any instant follows from what was observed, in whatever order and however often it arrives. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Balance, recordBalances } from '../../functions/portfolio/record-balances.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { database, importFile, outboxSize } = await createTestDomain('portfolio');
const hour = 3_600_000;
const start = Date.parse('2024-01-01T00:30:00Z');
const tokens = ['AAA', 'BBB'];

interface Observation {
  token: number;
  /** Hours since the start. */
  at: number;
  balance: number;
}

let wallets = 0;
const newWallet = () => `0x${(++wallets).toString(16).padStart(40, '0')}`;
const toBalance = (wallet: string, { token, at, balance }: Observation): Balance => ({
  wallet,
  token: { chain: 'base', address: null, symbol: tokens[token]! },
  balance: String(balance),
  asOf: new Date(start + at * hour),
  block: null,
});
const record = (wallet: string, observations: readonly Observation[]) =>
  commit((tx) =>
    recordBalances(
      tx,
      observations.map((one) => toBalance(wallet, one)),
    ),
  );

/** The balance that was observed last, at or before an hour. */
function modelAt(observations: readonly Observation[], token: number, at: number): string | undefined {
  const seen = observations.filter((one) => one.token === token && one.at <= at);
  const last = seen.reduce<Observation | undefined>((a, b) => (a && a.at > b.at ? a : b), undefined);
  return last && String(last.balance);
}

/** The stored balance as of each hour: by pairs and the changes before it. */
async function storedAt(wallet: string, hours: readonly number[]): Promise<(string | undefined)[][]> {
  const { rows } = await database.pool.query(
    `select h.n, t.symbol, c.balance::text
     from unnest($2::int[]) with ordinality as h (at, n), portfolio.wallets w, portfolio.tokens t
       cross join lateral (
         select balance from portfolio.balance_changes c
         where c.wallet_id = w.id and c.token_id = t.id and c.as_of <= $3::timestamptz + h.at * interval '1 hour'
         order by c.as_of desc limit 1) as c
     where w.address = decode(substr($1, 3), 'hex')`,
    [wallet, hours, new Date(start)],
  );
  return hours.map((_, i) =>
    tokens.map((symbol) => rows.find((row) => Number(row.n) === i + 1 && row.symbol === symbol)?.balance),
  );
}

async function rowsOf(wallet: string) {
  const { rows } = await database.pool.query(
    `select t.symbol, c.as_of, c.balance::text, c.confirmed_at from portfolio.balance_changes c
       join portfolio.wallets w on w.id = c.wallet_id join portfolio.tokens t on t.id = c.token_id
     where w.address = decode(substr($1, 3), 'hex') order by 1, 2`,
    [wallet],
  );
  return rows;
}

async function latestOf(wallet: string) {
  const { rows } = await database.pool.query(
    `select t.symbol, b.balance::text, b.as_of, b.since from portfolio.token_balances b
       join portfolio.wallets w on w.id = b.wallet_id join portfolio.tokens t on t.id = b.token_id
     where w.address = decode(substr($1, 3), 'hex') order by 1`,
    [wallet],
  );
  return rows;
}

const observationAt = (hours: fc.Arbitrary<number>) =>
  fc.record({ token: fc.nat({ max: 1 }), at: hours, balance: fc.nat({ max: 2 }) });
const distinct = {
  minLength: 1,
  maxLength: 14,
  selector: ({ token, at }: Observation) => `${token} ${at}`,
};

test('observations of different days: any order, any batches, and repetitions give the same rows, and the model’s balances', async () => {
  const days = fc.nat({ max: 12 }).map((day) => day * 24);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(observationAt(days), distinct).chain((observations) =>
        fc.record({
          observations: fc.constant(observations),
          order: fc.shuffledSubarray([...observations, ...observations], {
            minLength: observations.length * 2,
            maxLength: observations.length * 2,
          }),
          batch: fc.integer({ min: 1, max: 5 }),
        }),
      ),
      async ({ observations, order, batch }) => {
        const [wallet, inOrder] = [newWallet(), newWallet()];
        for (let i = 0; i < order.length; i += batch) await record(wallet, order.slice(i, i + batch));
        await record(
          inOrder,
          [...observations].sort((a, b) => a.at - b.at),
        );
        expect(await rowsOf(wallet)).toEqual(await rowsOf(inOrder));
        expect(await latestOf(wallet)).toEqual(await latestOf(inOrder));
        const hours = Array.from({ length: 14 }, (_, day) => day * 24 - 1);
        expect(await storedAt(wallet, hours)).toEqual(
          hours.map((at) => tokens.map((_, token) => modelAt(observations, token, at))),
        );
      },
    ),
    { numRuns: 30 },
  );
}, 60_000);

test('observations in the order of time, several a day, in any batches, give the model’s balances', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(observationAt(fc.nat({ max: 60 })), distinct),
      fc.integer({ min: 1, max: 5 }),
      async (observations, batch) => {
        const wallet = newWallet();
        const order = [...observations].sort((a, b) => a.at - b.at);
        for (let i = 0; i < order.length; i += batch) await record(wallet, order.slice(i, i + batch));
        const hours = Array.from({ length: 61 }, (_, at) => at);
        expect(await storedAt(wallet, hours)).toEqual(
          hours.map((at) => tokens.map((_, token) => modelAt(observations, token, at))),
        );
        for (const row of await latestOf(wallet))
          expect(row.balance).toBe(modelAt(observations, tokens.indexOf(row.symbol), 61));
      },
    ),
    { numRuns: 30 },
  );
}, 60_000);

test('a row is a change, redelivery changes and announces nothing, and a correction replaces', async () => {
  const wallet = newWallet();
  const days = (...balances: number[]) => balances.map((balance, day) => ({ token: 0, at: day * 24, balance }));
  expect(await record(wallet, days(5, 5, 5, 7, 7))).toEqual({ applied: 5, unchanged: 0 });
  expect((await rowsOf(wallet)).map(({ balance, confirmed_at }) => [balance, confirmed_at.length])).toEqual([
    ['5', 2],
    ['7', 1],
  ]);
  const before = await outboxSize();
  expect(await record(wallet, days(5, 5, 5, 7, 7))).toEqual({ applied: 0, unchanged: 5 });
  expect(await outboxSize()).toBe(before);
  expect(await record(wallet, [{ token: 0, at: 24, balance: 6 }])).toEqual({ applied: 1, unchanged: 0 });
  expect((await rowsOf(wallet)).map(({ balance }) => balance)).toEqual(['5', '6', '5', '7']);
});

test('writers of the same pairs wait for each other, and lose nothing', async () => {
  const wallet = newWallet();
  const all = Array.from({ length: 24 }, (_, day) => ({ token: day % 2, at: day * 24, balance: day % 3 }));
  await Promise.all([0, 1, 2, 3].map((writer) => record(wallet, all.filter((_, i) => i % 4 === writer).reverse())));
  const hours = all.map(({ at }) => at);
  expect(await storedAt(wallet, hours)).toEqual(hours.map((at) => tokens.map((_, token) => modelAt(all, token, at))));
});

test('a wallet that a later list does not name keeps its balance', async () => {
  const file = (...lines: string[]) => ['snapshot_at,token_symbol,chain,wallet_address,balance', ...lines].join('\n');
  const [stays, leaves] = [newWallet(), newWallet()];
  await importFile(
    'balances',
    'a.csv',
    file(`2025-01-01T00:00:00Z,TOP,base,${stays},2`, `2025-01-01T00:00:00Z,TOP,base,${leaves},1.5`),
  );
  const job = await importFile('balances', 'b.csv', file(`2025-02-01T00:00:00Z,TOP,base,${stays},3`));
  expect(job).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect((await latestOf(leaves)).map(({ balance, as_of }) => [balance, as_of.toISOString()])).toEqual([
    ['1.5', '2025-01-01T00:00:00.000Z'],
  ]);
});
