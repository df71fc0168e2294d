import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { recordProfiles } from '../../functions/wallets/record-profiles.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, price, wallet } from '../support/moments.ts';
import { walk } from '../support/reads.ts';

const { call, refresh, runMessage, database } = await createMoments();

// few values, so that every sort order has ties; one moment in five has no metadata, and edition 4 no price
beforeAll(async () => {
  await commit(async (tx) => {
    for (const [playId, tier, teamName] of [
      [1, 'RARE', 'Harbor Gulls'],
      [2, 'COMMON', 'Harbor Gulls'],
      [3, 'COMMON', 'Ridge Foxes'],
      [4, 'ULTIMATE', 'Ridge Foxes'],
    ] as const) {
      await describeMoment(tx, playId, playId, { tier, teamName, playerName: `Player ${playId % 2}` });
      if (playId < 4) await price(tx, playId, noon(1), playId === 3 ? '5.5' : '7');
    }
    const [random] = fc.sample(fc.array(fc.nat({ max: 1_000 }), { minLength: 200, maxLength: 200 }), {
      seed: 7,
      numRuns: 1,
    });
    for (let nft = 1; nft <= 60; nft++) {
      const [edition, day, serial] = [random![nft]! % 5, random![nft + 60]! % 3, random![nft + 120]! % 7];
      if (edition > 0) await describeMoment(tx, nft, edition, { serialNumber: 1 + serial });
      await hold(tx, nft, nft % 6 === 0 ? 1 + (nft % 5) : 0xa, noon(1 + day), nft % 3 === 0);
    }
    await recordProfiles(tx, [{ wallet: wallet(0xa), displayName: 'ada' }]);
  });
  await refresh();
  await database.pool.query(`insert into wallets.large_wallets (wallet_address) values ('\\x000000000000000a')`);
  await runMessage({ job: 'wallets.copyLargeWallets', requestedBy: 'test' });
});

const holdings = (n: number) => `/v1/wallets/${wallet(n)}/holdings`;
const holdingSorts = ['-acquired', 'acquired', 'serial', '-floor', 'moment'];
const filters = [
  '',
  'locked=true',
  'locked=false',
  'tier=COMMON',
  'team=Harbor+Gulls',
  'edition=1-3',
  'tier=RARE&locked=false',
];

test.each([
  [
    '/v1/editions',
    'editions',
    ['id', '-floor', 'floor', '-lastSale', '-holders', '-supply', '-lockedShare'].map((sort) => `sort=${sort}`),
  ],
  [
    '/v1/leaderboards/wallets',
    'wallets',
    ['moments', 'floorValue', 'tier.COMMON', 'team.Harbor+Gulls'].map((by) => `by=${by}`),
  ],
  [holdings(1), 'holdings', holdingSorts.map((sort) => `sort=${sort}`)],
  [holdings(0xa), 'holdings', holdingSorts.flatMap((sort) => filters.map((filter) => `sort=${sort}&${filter}`))],
])('the pages of %s are the whole list once', { timeout: 60_000 }, async (path, list, queries) => {
  for (const query of queries) {
    const { json } = await call(`${path}?${query}&limit=200`);
    for (const pageSize of [1, 3, 17])
      expect([query, await walk(call, `${path}?${query}`, list, pageSize)]).toEqual([query, json[list]]);
  }
});

test('a cursor of another sort order, filter, or wallet is refused, and the problem says so', async () => {
  const { nextCursor } = (await call(`${holdings(0xa)}?sort=acquired&locked=true&limit=1`)).json;
  expect((await call(`${holdings(0xa)}?sort=acquired&locked=true&limit=5&cursor=${nextCursor}`)).status).toBe(200);
  for (const target of [
    `${holdings(0xa)}?sort=-acquired&locked=true`,
    `${holdings(0xa)}?sort=serial&locked=true`,
    `${holdings(0xa)}?sort=acquired`,
    `${holdings(0xa)}?sort=acquired&locked=true&tier=COMMON`,
    `${holdings(1)}?sort=acquired&locked=true`,
    '/v1/editions?sort=id',
    '/v1/leaderboards/wallets?by=moments',
    '/v1/editions/1-1/price-history?limit=1',
  ]) {
    const { status, json } = await call(`${target}&cursor=${nextCursor}`);
    expect([target, status, json.errors]).toEqual([
      target,
      400,
      [{ field: 'query.cursor', message: 'belongs to another list, sort order, or filter' }],
    ]);
  }
});

test('a leaderboard is paged with or without the rank of a wallet', async () => {
  const { nextCursor } = (await call(`/v1/leaderboards/wallets?limit=1&wallet=${wallet(1)}`)).json;
  expect((await call(`/v1/leaderboards/wallets?limit=1&cursor=${nextCursor}`)).status).toBe(200);
});
