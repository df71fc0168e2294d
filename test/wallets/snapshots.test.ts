import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { recordPlays, recordSets, recordSetTiers } from '../../functions/wallets/record-catalogue.ts';
import { recordHoldings } from '../../functions/wallets/record-holdings.ts';
import { recordMoments } from '../../functions/wallets/record-moments.ts';
import { recordEditionPrices } from '../../functions/wallets/record-prices.ts';
import { recordProfiles } from '../../functions/wallets/record-profiles.ts';
import { recordPurchases } from '../../functions/wallets/record-purchases.ts';
import { commit } from '../../shared/changes/commit.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, runMessage, drainJobs, database } = await createTestDomain('wallets');
const runJob = async (job: string) => {
  await runMessage({ job: `wallets.${job}`, requestedBy: 'test' });
  const { rows } = await database.pool.query(
    'select status, error, result from platform.jobs where job = $1 order by id desc limit 1',
    [`wallets.${job}`],
  );
  return rows[0];
};
const wallet = (n: number) => `0x${n.toString(16).padStart(16, '0')}`;
const micros = (second: number) => BigInt(1_700_000_000 + second) * 1_000_000n;
const hold =
  (nft: number, owner: number | null, second: number, isLocked = false) =>
  (tx: Transaction) =>
    recordHoldings(tx, [
      { nftId: String(nft), wallet: owner === null ? null : wallet(owner), isLocked, lastEventMicros: micros(second) },
    ]);
const describeMoment = (nft: number, play: number) => (tx: Transaction) =>
  recordMoments(tx, [{ nftId: String(nft), setId: 1, playId: play, serialNumber: nft + 1 }]);
const price = (play: number, second: number, floorUsd: string) => (tx: Transaction) =>
  recordEditionPrices(tx, [
    { setId: 1, playId: play, scrapedMicros: micros(second), floorUsd, averageSaleUsd: null, saleCount: 1 },
  ]);

const truncateAll = () =>
  database.pool.query(`
    truncate wallets.sets, wallets.set_tiers, wallets.plays, wallets.editions, wallets.nft_core_metadata,
      wallets.wallet_holdings, wallets.wallet_profiles, wallets.edition_price_scrape, wallets.edition_prices,
      wallets.purchases, wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot,
      wallets.edition_prices_snapshot,
      wallets.dirty_wallets, wallets.dirty_editions, wallets.changed_holdings, wallets.changed_moments,
      wallets.new_sales, wallets.outdated_moments cascade`);

beforeEach(async () => {
  await truncateAll();
  const { getCache } = await import('../../shared/resources.ts');
  const cache = await getCache();
  await cache.revokeGeneration();
  await cache.renewGeneration();
});

const nft = fc.nat({ max: 7 });
const owner = fc.option(fc.nat({ max: 3 }), { freq: 6 });
const second = fc.nat({ max: 30 });
const play = fc.nat({ max: 2 });
const change = fc.oneof(
  fc.record({ kind: fc.constant('hold' as const), nft, owner, second, locked: fc.boolean() }),
  fc.record({ kind: fc.constant('describe' as const), nft, play }),
  fc.record({ kind: fc.constant('sell' as const), nft, second, owner, price: fc.nat({ max: 500 }) }),
  fc.record({ kind: fc.constant('price' as const), play, second, price: fc.nat({ max: 500 }) }),
  fc.record({ kind: fc.constant('tier' as const), tier: fc.constantFrom('COMMON', 'RARE') }),
  fc.record({ kind: fc.constant('play' as const), play, team: fc.constantFrom('Gulls', 'Foxes') }),
  fc.record({ kind: fc.constant('profile' as const), who: fc.nat({ max: 3 }), name: fc.constantFrom('ada', 'bo') }),
  fc.record({ kind: fc.constant('remove' as const), nft }),
  fc.record({ kind: fc.constant('refresh' as const) }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

async function apply(one: Change): Promise<void> {
  switch (one.kind) {
    case 'hold':
      return void (await commit(hold(one.nft, one.owner, one.second, one.locked)));
    case 'describe':
      return void (await commit(describeMoment(one.nft, one.play)));
    case 'sell':
      return void (await commit((tx) =>
        recordPurchases(tx, [
          {
            nftId: String(one.nft),
            purchasedMicros: micros(one.second),
            seller: wallet(9),
            buyer: one.owner === null ? null : wallet(one.owner),
            priceUsd: String(one.price),
            blockHeight: null,
          },
        ]),
      ));
    case 'price':
      return void (await commit(price(one.play, one.second, String(one.price))));
    case 'tier':
      await commit((tx) => recordSets(tx, [{ id: 1, name: 'One' }]));
      return void (await commit((tx) => recordSetTiers(tx, [{ setName: 'One', tier: one.tier }])));
    case 'play':
      return void (await commit((tx) =>
        recordPlays(tx, [{ id: one.play, playerName: `Player ${one.play}`, teamName: one.team, details: {} }]),
      ));
    case 'profile':
      return void (await commit((tx) => recordProfiles(tx, [{ wallet: wallet(one.who), displayName: one.name }])));
    case 'remove':
      return void (await commit((tx) => tx.query('delete from wallets.wallet_holdings where nft_id = $1', [one.nft])));
    case 'refresh':
      return void (await runJob('refreshSnapshots'));
  }
}

test('the snapshots match a recount after any changes and refreshes', async () => {
  await fc.assert(
    fc
      .asyncProperty(fc.array(change, { minLength: 1, maxLength: 25 }), async (changes) => {
        // a holding that stays, so that the total never falls to zero
        await commit(hold(100, 7, 0));
        for (const one of changes) await apply(one);
        expect((await runJob('refreshSnapshots')).error).toBeNull();
        const { result, error } = await runJob('rebuildSnapshots');
        expect([error, result?.drift]).toEqual([null, { wallets: 0, teamCounts: 0, editions: 0 }]);
      })
      .beforeEach(async () => {
        await truncateAll();
      }),
    { numRuns: 60 },
  );
}, 120_000);

test('the last event of a moment decides who holds it, in any order of arrival', async () => {
  const events = fc.array(fc.record({ owner, second: fc.nat({ max: 6 }), bought: fc.boolean() }), {
    minLength: 1,
    maxLength: 8,
  });
  const run = async (all: { owner: number | null; second: number; bought: boolean }[]) => {
    await database.pool.query('truncate wallets.wallet_holdings, wallets.purchases');
    for (const one of all) {
      if (one.bought) await apply({ kind: 'sell', nft: 1, second: one.second, owner: one.owner, price: 5 });
      else await apply({ kind: 'hold', nft: 1, owner: one.owner, second: one.second, locked: false });
    }
    const { rows } = await database.pool.query('select wallet_address, last_event_ts from wallets.wallet_holdings');
    return rows;
  };
  await fc.assert(
    fc.asyncProperty(events, fc.infiniteStream(fc.nat()), async (all, keys) => {
      const shuffled = all
        .map((one) => ({ one, key: keys.next().value! }))
        .sort((a, b) => a.key - b.key)
        .map(({ one }) => one);
      expect(await run(shuffled)).toEqual(await run(all));
      expect(await run([...all, ...shuffled])).toEqual(await run(all));
    }),
    { numRuns: 25 },
  );
}, 120_000);

test('all refreshes that events start during changes succeed', async () => {
  const before = (await database.pool.query(`select now() as at`)).rows[0].at;
  await apply({ kind: 'tier', tier: 'RARE' });
  let changing = true;
  const changes = (async () => {
    for (let i = 0; i < 150; i++) {
      await commit(describeMoment(i % 50, i % 3));
      await commit(hold(i % 50, i % 7, i));
      await apply({ kind: 'play', play: i % 3, team: i % 2 === 0 ? 'Gulls' : 'Foxes' });
    }
    changing = false;
  })();
  const message = { job: 'wallets.refreshSnapshots', requestedBy: 'event' };
  while (changing) await Promise.all([runMessage(message), runMessage(message), runMessage(message)]);
  await changes;
  await drainJobs();
  const { rows } = await database.pool.query(
    `select distinct status, error from platform.jobs where job = 'wallets.refreshSnapshots' and created_at >= $1`,
    [before],
  );
  expect(rows).toEqual([{ status: 'succeeded', error: null }]);
  await runJob('refreshSnapshots');
  expect((await runJob('rebuildSnapshots')).result.drift).toEqual({ wallets: 0, teamCounts: 0, editions: 0 });
}, 120_000);

test('drift is reported and repaired', async () => {
  await commit(hold(1, 1, 1));
  await commit(describeMoment(1, 1));
  await runJob('refreshSnapshots');
  await database.pool.query('update wallets.wallet_summary_snapshot set moments_total = 5');
  await database.pool.query('update wallets.editions_snapshot set holders = 9');
  expect((await runJob('rebuildSnapshots')).result.drift).toEqual({ wallets: 1, teamCounts: 0, editions: 1 });
  expect((await runJob('rebuildSnapshots')).result.drift).toEqual({ wallets: 0, teamCounts: 0, editions: 0 });
  expect((await call(`/v1/wallets/${wallet(1)}/summary`)).json.momentsTotal).toBe(1);
});

test('a total that falls to zero is not published', async () => {
  await commit(hold(1, 1, 1));
  await runJob('refreshSnapshots');
  await commit((tx) => tx.query('delete from wallets.wallet_holdings'));
  expect(await runJob('refreshSnapshots')).toMatchObject({ status: 'failed', error: { code: 'integrity' } });
  expect(await runJob('rebuildSnapshots')).toMatchObject({ status: 'failed', error: { code: 'integrity' } });
  expect((await call('/v1/leaderboards/wallets')).json.wallets).toMatchObject([{ address: wallet(1), value: '1' }]);
});

test('without snapshots all answers are computed live, are the same, and have x-source: live', async () => {
  await apply({ kind: 'tier', tier: 'RARE' });
  for (const [n, who] of [1, 1, 2, 3, 3, 3].entries()) {
    await commit(describeMoment(n, n % 2));
    await commit(hold(n, who, n));
  }
  await apply({ kind: 'play', play: 1, team: 'Gulls' });
  await commit(price(1, 1, '12.50'));
  const paths = [
    `/v1/wallets/${wallet(3)}/summary`,
    '/v1/leaderboards/wallets?by=moments',
    '/v1/leaderboards/wallets?by=floorValue',
    '/v1/leaderboards/wallets?by=tier.RARE',
    `/v1/leaderboards/wallets?by=team.Gulls&wallet=${wallet(2)}`,
    '/v1/editions?sort=-holders',
    '/v1/editions/1-1',
    '/v1/explorer/filters',
  ];
  const answers = async () => {
    const all = [];
    for (const path of paths) {
      const { json, headers } = await call(path);
      const { updatedAt, ...rest } = json;
      all.push({ path, source: headers['x-source'], ...rest });
    }
    return all;
  };
  const live = await answers();
  expect(live.map(({ source }) => source)).toEqual(paths.map(() => 'live'));
  await runJob('refreshSnapshots');
  expect(await answers()).toEqual(live.map(({ source, ...rest }) => ({ ...rest, source: undefined })));
  expect(live[1]!.wallets).toMatchObject([
    { rank: 1, address: wallet(3), value: '3' },
    { rank: 2, address: wallet(1), value: '2' },
    { rank: 3, address: wallet(2), value: '1' },
  ]);
  expect(live[2]!.wallets[0].value).toBe('25.00');
});

test('a wallet that has sold everything has no summary and is on no leaderboard', async () => {
  await commit(hold(1, 1, 1));
  await commit(hold(2, 2, 1));
  await runJob('refreshSnapshots');
  await commit(hold(1, 2, 2));
  await runJob('refreshSnapshots');
  expect((await call(`/v1/wallets/${wallet(1)}/summary`)).status).toBe(404);
  expect((await call('/v1/leaderboards/wallets')).json.wallets).toMatchObject([{ address: wallet(2), value: '2' }]);
});

test('a moment that is unlocked leaves the locked ones of its edition, also if it moves at once', async () => {
  const locked = async () => (await call('/v1/editions/1-1')).json.locked;
  for (const n of [1, 2]) {
    await commit(describeMoment(n, 1));
    await commit(hold(n, n, 1, true));
  }
  await runJob('refreshSnapshots');
  expect(await locked()).toBe(2);
  await commit(hold(1, 1, 2, false));
  await runJob('refreshSnapshots');
  expect(await locked()).toBe(1);
  await commit(hold(2, 3, 2, false));
  await runJob('refreshSnapshots');
  expect(await locked()).toBe(0);
});

test('a wallet that has sold its last moment of a team leaves the board of that team, and no other', async () => {
  const board = async (team: string) =>
    (await call(`/v1/leaderboards/wallets?by=team.${team}`)).json.wallets.map(
      ({ address }: { address: string }) => address,
    );
  for (const n of [1, 2]) {
    await commit(describeMoment(n, n));
    await commit(hold(n, 1, n));
  }
  await apply({ kind: 'play', play: 1, team: 'Gulls' });
  await apply({ kind: 'play', play: 2, team: 'Foxes' });
  await runJob('refreshSnapshots');
  expect([await board('Gulls'), await board('Foxes')]).toEqual([[wallet(1)], [wallet(1)]]);
  await commit(hold(1, 2, 5));
  await runJob('refreshSnapshots');
  expect([await board('Gulls'), await board('Foxes')]).toEqual([[wallet(2)], [wallet(1)]]);
});

test('an edition that is deleted before the refresh of its last change does not stop the refresh', async () => {
  await commit(describeMoment(1, 1));
  await commit(hold(1, 1, 1));
  await runJob('refreshSnapshots');
  await commit(describeMoment(1, 2));
  await commit((tx) => tx.query('delete from wallets.editions where set_id = 1 and play_id = 1'));
  expect((await runJob('refreshSnapshots')).error).toBeNull();
  expect((await runJob('rebuildSnapshots')).result.drift).toEqual({ wallets: 0, teamCounts: 0, editions: 0 });
});
