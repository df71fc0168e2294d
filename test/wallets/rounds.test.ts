import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { auditEditions, auditWallets, type Drift } from '../../functions/wallets/rebuild-snapshots.ts';
import { recordHoldings } from '../../functions/wallets/record-holdings.ts';
import { recordMoments } from '../../functions/wallets/record-moments.ts';
import { recordEditionPrices } from '../../functions/wallets/record-prices.ts';
import { recordPurchases } from '../../functions/wallets/record-purchases.ts';
import { refreshRound } from '../../functions/wallets/refresh-snapshots.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createTestDomain } from '../support/test-domain.ts';
import { waitFor } from '../support/wait-for.ts';

const { call, runMessage, drainJobs, database } = await createTestDomain('wallets');
const { pool } = database;
const moments = 10;
const wallet = (n: number) => `0x${n.toString(16).padStart(16, '0')}`;
let second = 1_700_000_000;
const micros = () => BigInt(second++) * 1_000_000n;

const hold = (holdings: readonly (readonly [nft: number, owner: number | null])[], isLocked = false) =>
  commit((tx) =>
    recordHoldings(
      tx,
      holdings.map(([nft, owner]) => ({
        nftId: String(nft),
        wallet: owner === null ? null : wallet(owner),
        isLocked,
        lastEventMicros: micros(),
      })),
    ),
  );
const describeMoments = (plays: readonly (readonly [nft: number, play: number])[]) =>
  commit((tx) =>
    recordMoments(
      tx,
      plays.map(([nft, playId]) => ({ nftId: String(nft), setId: 1, playId, serialNumber: nft + 1 })),
    ),
  );
const price = (prices: readonly (readonly [play: number, floorUsd: number])[]) =>
  commit((tx) =>
    recordEditionPrices(
      tx,
      prices.map(([playId, floorUsd]) => ({
        setId: 1,
        playId,
        scrapedMicros: micros(),
        floorUsd: String(floorUsd),
        averageSaleUsd: null,
        saleCount: 1,
      })),
    ),
  );
const sell = (nft: number, buyer: number) =>
  commit((tx) =>
    recordPurchases(tx, [
      {
        nftId: String(nft),
        purchasedMicros: micros(),
        seller: wallet(99),
        buyer: wallet(buyer),
        priceUsd: String(nft + 1),
        blockHeight: null,
      },
    ]),
  );
const round = (size: number) => commit((tx) => refreshRound(tx, size), 'repeatable read');
async function refresh(size: number, afterEach = async () => {}): Promise<number> {
  for (let rounds = 1; ; rounds++) {
    const { isDone } = await round(size);
    await afterEach();
    if (isDone) return rounds;
    expect(rounds).toBeLessThan(200);
  }
}

/** The drift that audits of a size find, without a refresh before. */
async function audit(size: number): Promise<Partial<Drift>> {
  const drift: Record<string, number> = {};
  for (const part of [auditWallets, auditEditions])
    for (let after: Awaited<ReturnType<typeof part>>['next'] | undefined; after !== null; ) {
      const found = await commit((tx) => part(tx, after ?? undefined, size), 'repeatable read');
      for (const [key, keys] of Object.entries(found.drift)) drift[key] = (drift[key] ?? 0) + keys;
      after = found.next;
    }
  return drift;
}
const none = { wallets: 0, teamCounts: 0, editions: 0 };

beforeEach(clear);

async function clear(): Promise<void> {
  await pool.query(`
    truncate wallets.editions, wallets.nft_core_metadata, wallets.wallet_holdings, wallets.edition_price_scrape,
      wallets.edition_prices, wallets.purchases, wallets.wallet_summary_snapshot, wallets.wallet_team_counts,
      wallets.editions_snapshot, wallets.edition_prices_snapshot, wallets.dirty_wallets, wallets.dirty_editions,
      wallets.changed_holdings, wallets.changed_moments, wallets.new_sales, wallets.outdated_moments cascade`);
}

/** Each moment is the only one of its edition, whose price is a bit of its own: the value of a wallet says what it counts. */
async function seedBits(): Promise<void> {
  const all = Array.from({ length: moments }, (_, nft) => nft);
  await describeMoments(all.map((nft) => [nft, nft] as const));
  await price(all.map((nft) => [nft, 2 ** nft] as const));
  await hold(all.map((nft) => [nft, nft % 4] as const));
  await refresh(100);
}

async function expectEachMomentInOneWallet(): Promise<void> {
  const { rows } = await pool.query<{ value: number; total: number }>(
    'select floor_value::int as value, moments_total as total from wallets.wallet_summary_snapshot',
  );
  const sum = rows.reduce((all, one) => all + one.value, 0);
  const union = rows.reduce((all, one) => all | one.value, 0);
  expect([sum, union]).toEqual([2 ** moments - 1, 2 ** moments - 1]);
  for (const { value, total } of rows) expect(value.toString(2).replaceAll('0', '')).toHaveLength(total);
  const { rows: counters } = await pool.query(
    'select held, holders, count(*)::int as editions from wallets.editions_snapshot group by held, holders',
  );
  expect(counters).toEqual([{ held: 1, holders: 1, editions: moments }]);
}

const trade = fc.tuple(fc.nat({ max: moments - 1 }), fc.nat({ max: 5 }));
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ trades: fc.uniqueArray(trade, { selector: ([nft]) => nft, minLength: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ size: fc.integer({ min: 1, max: 12 }) }) },
);

test('after every round, each moment counts in exactly one wallet and once in its edition', async () => {
  await fc.assert(
    fc
      .asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 10 }),
        fc.integer({ min: 1, max: 12 }),
        async (steps, last) => {
          for (const one of steps) {
            if ('trades' in one) await hold(one.trades);
            else await round(one.size);
            await expectEachMomentInOneWallet();
          }
          await refresh(last, expectEachMomentInOneWallet);
          const { rows } = await pool.query(`
          select bool_and(floor_value = (select sum(2 ^ nft_id) from wallets.wallet_holdings h where h.wallet_address = s.wallet_address)) as shown
          from wallets.wallet_summary_snapshot s`);
          expect(rows).toEqual([{ shown: true }]);
        },
      )
      .beforeEach(async () => {
        await clear();
        await seedBits();
      }),
    { numRuns: 15 },
  );
}, 180_000);

const nft = fc.nat({ max: 7 });
const play = fc.nat({ max: 2 });
const change = fc.oneof(
  fc.record({
    hold: fc.array(fc.tuple(nft, fc.option(fc.nat({ max: 3 }), { freq: 5 })), { minLength: 1, maxLength: 5 }),
    locked: fc.boolean(),
  }),
  fc.record({ describe: fc.uniqueArray(fc.tuple(nft, play), { selector: ([one]) => one, minLength: 1 }) }),
  fc.record({ sell: nft, buyer: fc.nat({ max: 3 }) }),
  fc.record({
    price: fc.uniqueArray(fc.tuple(play, fc.nat({ max: 500 })), { selector: ([one]) => one, minLength: 1 }),
  }),
  fc.record({ remove: nft }),
  fc.record({ size: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ audit: fc.integer({ min: 1, max: 6 }) }),
);

test('after any changes and rounds of any sizes, a rebuild of any size finds no drift', async () => {
  await fc.assert(
    fc
      .asyncProperty(
        fc.array(change, { minLength: 3, maxLength: 15 }),
        fc.integer({ min: 1, max: 6 }),
        async (changes, size) => {
          // a holding that stays, so that the total never falls to zero
          await hold([[100, 7]]);
          for (const one of changes) {
            if ('hold' in one) await hold(one.hold, one.locked);
            else if ('describe' in one) await describeMoments(one.describe);
            else if ('sell' in one) await sell(one.sell, one.buyer);
            else if ('price' in one) await price(one.price);
            else if ('remove' in one)
              await commit((tx) => tx.query('delete from wallets.wallet_holdings where nft_id = $1', [one.remove]));
            else if ('size' in one) await round(one.size);
            // what waits for a refresh is no drift
            else expect(await audit(one.audit)).toMatchObject({ wallets: 0, teamCounts: 0 });
          }
          await refresh(size);
          expect(await audit(size)).toEqual(none);
          await pool.query('delete from wallets.wallet_summary_snapshot');
          expect((await audit(size)).wallets).toBeGreaterThan(0);
          expect(await audit(size)).toEqual(none);
        },
      )
      .beforeEach(clear),
    { numRuns: 25 },
  );
}, 240_000);

test('a first fill, a price of every edition, and a trade between two large wallets take rounds of bounded size', async () => {
  const size = 20;
  const all = Array.from({ length: 200 }, (_, one) => one);
  await describeMoments(all.map((one) => [one, one % 40] as const));
  // two wallets of 50 moments, and 50 of two
  await hold(all.map((one) => [one, one < 50 ? 1 : one < 100 ? 2 : 3 + ((one - 100) >> 1)] as const));
  const collected = 10;
  const rounds = await refresh(size);
  expect(rounds).toBeGreaterThan(collected);
  expect(rounds).toBeLessThan(3 * collected + 2 * Math.ceil(200 / size));
  await price(all.slice(0, 40).map((one) => [one, 1 + one] as const));
  const { rows: before } = await pool.query('select count(*)::int as n from wallets.dirty_wallets');
  expect(before).toEqual([{ n: 0 }]);
  expect(await refresh(size)).toBeLessThan(4 * Math.ceil(200 / size));
  await hold([
    [0, 2],
    [50, 1],
    [1, 60],
    [2, 61],
  ]);
  expect(await refresh(size)).toBeLessThanOrEqual(4);
  expect(await audit(size)).toEqual(none);
});

test('a change that waits for a later round shows in the summary at once, and is reported as lag', async () => {
  await describeMoments([
    [0, 0],
    [1, 1],
  ]);
  await hold([
    [0, 0],
    [1, 1],
  ]);
  await refresh(100);
  await hold([[0, 2]]);
  await pool.query(`update wallets.changed_holdings set changed_at = changed_at - interval '1 hour'`);
  await hold([[1, 3]]);
  // collects one change, and so cannot count any
  expect(await round(1)).toEqual({ wallets: 0, editions: 0, isDone: false });
  for (const [owner, momentsTotal] of [
    [0, undefined],
    [1, undefined],
    [2, 1],
    [3, 1],
  ] as const)
    expect([owner, (await call(`/v1/wallets/${wallet(owner)}/summary`)).json.momentsTotal]).toEqual([
      owner,
      momentsTotal,
    ]);
  await runMessage({ job: 'wallets.refreshSnapshots', requestedBy: 'test' });
  await drainJobs();
  const { rows } = await pool.query(
    `select result from platform.jobs where job = 'wallets.refreshSnapshots' order by id desc limit 1`,
  );
  expect(rows[0].result).toMatchObject({ isDone: true, remainingLagSeconds: 0 });
  expect(Math.floor(rows[0].result.lagSeconds / 60)).toBe(60);
});

test('a round waits for the one before it, and sees what that one wrote', async () => {
  await describeMoments([[0, 0]]);
  await hold([[0, 0]]);
  const gate = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const first = commit(async (tx) => {
    const result = await refreshRound(tx);
    taken.resolve();
    await gate.promise;
    return result;
  }, 'repeatable read');
  await taken.promise;
  await hold([[0, 1]]);
  const second = round(100);
  await waitFor('the second round to wait', async () => {
    const { rows } = await pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'lock table%'`,
    );
    return rows.length === 1;
  });
  gate.resolve();
  expect(await first).toMatchObject({ wallets: 1, isDone: true });
  expect(await second).toMatchObject({ wallets: 2, isDone: true });
  expect(await audit(100)).toEqual(none);
});

test('a rebuild that runs out of time goes on where it stopped', async () => {
  const all = Array.from({ length: 12 }, (_, one) => one);
  await describeMoments(all.map((one) => [one, one % 3] as const));
  await hold(all.map((one) => [one, one] as const));
  await refresh(100);
  await pool.query('update wallets.wallet_summary_snapshot set moments_total = 5');
  const message = { job: 'wallets.rebuildSnapshots', requestedBy: 'test' };
  await runMessage(message, 0);
  const { rows: stopped } = await pool.query(
    `select status, result from platform.jobs where job = 'wallets.rebuildSnapshots'`,
  );
  expect(stopped).toEqual([{ status: 'running', result: null }]);
  await drainJobs();
  const { rows } = await pool.query(`select status, result from platform.jobs where job = 'wallets.rebuildSnapshots'`);
  expect(rows).toEqual([
    { status: 'succeeded', result: { checked: { wallets: 12, editions: 3 }, drift: { ...none, wallets: 12 } } },
  ]);
  expect(await audit(100)).toEqual(none);
});
