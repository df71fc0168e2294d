import { beforeAll, expect, test } from 'vitest';
import { recordProfiles } from '../../functions/wallets/record-profiles.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, price, wallet } from '../support/moments.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';

const { call, refresh, database } = await createMoments();
const path = '/v1/leaderboards/wallets';

// moments 1 to 4 are RARE, 5 and 6 COMMON; the others have no metadata
const held = [
  [1, 0xa],
  [2, 0xa],
  [5, 0xb],
  [3, 0xb],
  [4, 0xc],
  [7, 0xc],
  [8, 0xc],
  [6, 0xd],
  [11, 0xe],
  [12, 0xf],
] as const;
beforeAll(async () => {
  await commit(async (tx) => {
    for (const nft of [1, 2, 3, 4]) await describeMoment(tx, nft, 1, { tier: 'RARE', teamName: 'Harbor Gulls' });
    for (const nft of [5, 6]) await describeMoment(tx, nft, 2, { tier: 'COMMON', teamName: 'Ridge Foxes' });
    await price(tx, 1, noon(1), '5');
    await price(tx, 2, noon(1), '100.50');
    for (const [nft, owner] of held) await hold(tx, nft, owner, noon(1));
    await recordProfiles(tx, [{ wallet: wallet(0xc), displayName: 'cy' }]);
  });
  await refresh();
  await database.pool.query(`update wallets.wallet_summary_snapshot set updated_at = '2026-01-06T07:08:09.123Z'`);
});

const [a, b, c, d, e, f] = [0xa, 0xb, 0xc, 0xd, 0xe, 0xf].map(wallet);

test('ranks wallets by moments, then by address, both descending', async () => {
  const { json, headers } = await call(path);
  expect(json).toEqual({
    by: 'moments',
    wallets: [
      { rank: 1, address: c, value: '3', displayName: 'cy' },
      { rank: 2, address: b, value: '2', displayName: null },
      { rank: 3, address: a, value: '2', displayName: null },
      { rank: 4, address: f, value: '1', displayName: null },
      { rank: 5, address: e, value: '1', displayName: null },
      { rank: 6, address: d, value: '1', displayName: null },
    ],
    wallet: null,
    nextCursor: null,
  });
  expect([headers['x-source'], headers['as-of']]).toEqual([undefined, '2026-01-06T07:08:09.123Z']);
});

test.each([
  ['moments', ['c 3', 'b 2', 'a 2', 'f 1', 'e 1', 'd 1']],
  ['floorValue', ['b 105.50', 'd 100.50', 'a 10', 'c 5']],
  ['tier.RARE', ['a 2', 'c 1', 'b 1']],
  ['tier.COMMON', ['d 1', 'b 1']],
  ['tier.ULTIMATE', []],
  ['team.Harbor+Gulls', ['a 2', 'c 1', 'b 1']],
  ['team.Nobody', []],
])('ranks board %s, with any page size', async (by, expected) => {
  for (const limit of [1, 2, 200]) {
    const found = await walk(call, `${path}?by=${by}`, 'wallets', limit);
    expect([limit, found.map(({ address, value }) => `${address.at(-1)} ${value}`)]).toEqual([limit, expected]);
    expect(found.map(({ rank }) => rank)).toEqual(expected.map((_, i) => i + 1));
  }
  for (const [i, one] of expected.entries()) {
    const [name, value] = one.split(' ');
    const address = wallet(Number(`0x${name}`));
    const { json } = await call(`${path}?by=${by}&limit=1&wallet=${address}`);
    expect(json.wallet).toEqual({ rank: i + 1, address, value });
  }
});

test('returns no rank for a wallet that is not on the board, and accepts upper-case digits', async () => {
  const own = async (query: string) => (await call(`${path}?${query}`)).json.wallet;
  expect([await own(`by=tier.RARE&wallet=${d}`), await own(`wallet=${wallet(0x1)}`)]).toEqual([null, null]);
  expect(await own(`wallet=${a!.replace('0a', '0A')}`)).toMatchObject({ rank: 3, address: a });
});

test('shows a refresh of the snapshots at once', async () => {
  await call(path);
  await commit((tx) => hold(tx, 9, 0xd, noon(2)));
  expect((await call(path)).headers['x-cache']).toBe('hit');
  const { json } = await readAfter(call, `${path}?limit=2`, refresh);
  expect(json.wallets).toMatchObject([
    { address: c, value: '3' },
    { address: d, value: '2' },
  ]);
});

const editions = Buffer.from(JSON.stringify(['5', 1, 1])).toString('base64url');
test.each([
  [`${path}?by=tier.EPIC`, 'query.by'],
  [`${path}?by=team.`, 'query.by'],
  [`${path}?wallet=me`, 'query.wallet'],
  [`${path}?limit=0`, 'query.limit'],
  [`${path}?cursor=${editions}`, 'query.cursor'],
  [`${path}?tier=RARE`, 'query.tier'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
