import { beforeAll, expect, test } from 'vitest';
import { recordProfiles } from '../../functions/wallets/record-profiles.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, price, wallet } from '../support/moments.ts';
import { readAfter, refusal } from '../support/reads.ts';

const { call, refresh, database } = await createMoments();
const summary = (n: number) => `/v1/wallets/${wallet(n)}/summary`;
const profile = (n: number, displayName: string) =>
  commit((tx) => recordProfiles(tx, [{ wallet: wallet(n), displayName }]));

// wallet 1: two RARE moments with a price, a COMMON one without a floor price, and one without metadata
beforeAll(async () => {
  await commit(async (tx) => {
    await describeMoment(tx, 1, 1, { tier: 'RARE' });
    await describeMoment(tx, 2, 1, { tier: 'RARE' });
    await describeMoment(tx, 3, 2, { tier: 'COMMON' });
    await describeMoment(tx, 4, 3, { tier: 'ULTIMATE' });
    await price(tx, 1, noon(1), '5', '6');
    await price(tx, 1, noon(2), '12.50', '0.1');
    await price(tx, 2, noon(1), null, '1');
    for (const nft of [1, 2, 3, 9]) await hold(tx, nft, 1, noon(1), nft === 2);
    await hold(tx, 4, 2, noon(1));
    await tx.query(
      `update wallets.wallet_holdings set last_synced_at = '2026-01-05Z'::timestamptz + nft_id * interval '1 hour'`,
    );
  });
  await profile(1, 'ada');
  await profile(3, 'cy');
  await refresh();
  await database.pool.query(`update wallets.wallet_summary_snapshot set updated_at = '2026-01-06T07:08:09.123Z'`);
});

test('returns the counts and values of the snapshot', async () => {
  const { json, headers } = await call(summary(1));
  expect(json).toEqual({
    address: wallet(1),
    displayName: 'ada',
    momentsTotal: 4,
    lockedCount: 1,
    unlockedCount: 3,
    tiers: { COMMON: 1, UNCOMMON: 0, RARE: 2, LEGENDARY: 0, ULTIMATE: 0 },
    floorValueUsd: '25.00',
    averageSaleValueUsd: '1.2',
    pricedMoments: 2,
    lastSyncedAt: '2026-01-05T09:00:00.000Z',
    updatedAt: '2026-01-06T07:08:09.123Z',
  });
  expect([headers['x-source'], headers['as-of']]).toEqual([undefined, '2026-01-06T07:08:09.123Z']);
});

test('returns zeros for a wallet with only a profile, and 404 for an unknown one', async () => {
  const { json, headers } = await call(summary(3));
  expect([json, headers['x-source']]).toEqual([
    {
      address: wallet(3),
      displayName: 'cy',
      momentsTotal: 0,
      lockedCount: 0,
      unlockedCount: 0,
      tiers: { COMMON: 0, UNCOMMON: 0, RARE: 0, LEGENDARY: 0, ULTIMATE: 0 },
      floorValueUsd: '0',
      averageSaleValueUsd: '0',
      pricedMoments: 0,
      lastSyncedAt: null,
      updatedAt: null,
    },
    'live',
  ]);
  expect((await call(summary(4))).status).toBe(404);
});

test('shows a new holding at once, computed live until the next refresh', async () => {
  const { json, headers } = await readAfter(call, summary(2), () => commit((tx) => hold(tx, 5, 2, noon(2), true)));
  expect([json.momentsTotal, json.lockedCount, json.updatedAt, headers['x-source']]).toEqual([2, 1, null, 'live']);
  const refreshed = await readAfter(call, summary(2), refresh);
  expect([refreshed.json, refreshed.headers['x-source']]).toEqual([
    { ...json, updatedAt: refreshed.headers['as-of'] },
    undefined,
  ]);
});

test('shows a new display name at once', async () => {
  for (const n of [1, 3]) {
    const { json } = await readAfter(call, summary(n), () => profile(n, 'zed'));
    expect([n, json.displayName]).toEqual([n, 'zed']);
  }
});

test.each([
  ['/v1/wallets/0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb/summary', 'path.address'],
  [`${summary(1)}?tier=RARE`, 'query.tier'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
