import { beforeAll, expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, noonText, price, wallet } from '../support/moments.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';

const { call, refresh } = await createMoments();
const path = `/v1/wallets/${wallet(0xa)}/holdings`;

// 1 and 3 share a serial number, 1 and 2 a price; 10 has no price, and 11 no metadata
beforeAll(async () => {
  const gulls = { setName: 'Opening Night', tier: 'RARE', playerName: 'Ada Amsel', teamName: 'Harbor Gulls' };
  await commit(async (tx) => {
    await describeMoment(tx, 1, 1, { serialNumber: 11, ...gulls });
    await describeMoment(tx, 2, 1, { serialNumber: 5, ...gulls });
    await describeMoment(tx, 3, 2, { serialNumber: 11, tier: 'COMMON', teamName: 'Ridge Foxes' });
    await describeMoment(tx, 10, 3, { serialNumber: 7 });
    await price(tx, 1, noon(1), '5', '6.25');
    await price(tx, 2, noon(1), '10.5');
    await hold(tx, 1, 0xa, noon(1), true);
    await hold(tx, 2, 0xa, noon(3));
    await hold(tx, 3, 0xa, noon(3), true);
    await hold(tx, 10, 0xa, noon(3) - 1n);
    await hold(tx, 11, 0xa, noon(4));
    await hold(tx, 4, 0xb, noon(1));
  });
  await refresh();
});

const idsOf = (holdings: { momentId: string }[]) => holdings.map(({ momentId }) => Number(momentId));

test('lists moments with their editions and prices, with null for unknown fields', async () => {
  const { json } = await call(`${path}?sort=moment`);
  expect([json.holdings[0], json.holdings[4], json.nextCursor]).toEqual([
    {
      momentId: '1',
      editionId: '1-1',
      setName: 'Opening Night',
      playerName: 'Ada Amsel',
      teamName: 'Harbor Gulls',
      tier: 'RARE',
      serialNumber: 11,
      isLocked: true,
      floorUsd: '5',
      averageSaleUsd: '6.25',
      lastEventAt: noonText(1),
    },
    {
      momentId: '11',
      editionId: null,
      setName: null,
      playerName: null,
      teamName: null,
      tier: null,
      serialNumber: null,
      isLocked: false,
      floorUsd: null,
      averageSaleUsd: null,
      lastEventAt: noonText(4),
    },
    null,
  ]);
});

test.each([
  ['-acquired', [11, 3, 2, 10, 1]],
  ['acquired', [1, 10, 2, 3, 11]],
  ['serial', [2, 10, 1, 3, 11]],
  ['-floor', [3, 2, 1, 11, 10]],
  ['moment', [1, 2, 3, 10, 11]],
])('sorts by %s, with any page size', async (sort, expected) => {
  for (const limit of [1, 2, 200]) {
    const found = await walk(call, `${path}?sort=${sort}`, 'holdings', limit);
    expect([limit, idsOf(found)]).toEqual([limit, expected]);
  }
});

test.each([
  ['', [11, 3, 2, 10, 1]],
  ['locked=true', [3, 1]],
  ['locked=false', [11, 2, 10]],
  ['tier=RARE', [2, 1]],
  ['team=Ridge+Foxes', [3]],
  ['edition=1-1', [2, 1]],
  ['edition=01-003', [10]],
  ['tier=RARE&locked=true', [1]],
  ['tier=COMMON&edition=1-1', []],
])('filter "%s"', async (filter, expected) => {
  expect(idsOf((await call(`${path}?${filter}`)).json.holdings)).toEqual(expected);
});

test('pages through filtered moments', async () => {
  expect(idsOf(await walk(call, `${path}?locked=false`, 'holdings', 2))).toEqual([11, 2, 10]);
});

test('returns an empty list for a wallet that holds nothing', async () => {
  expect((await call(`/v1/wallets/${wallet(0xc)}/holdings`)).json).toEqual({ holdings: [], nextCursor: null });
});

test('shows a trade at once in both wallets, also for an address with upper-case digits', async () => {
  const [seller, buyer] = [path.replace('000a', '000A'), `/v1/wallets/${wallet(0xb)}/holdings`];
  await call(buyer);
  const { json } = await readAfter(call, seller, () => commit((tx) => hold(tx, 3, 0xb, noon(5))));
  expect([idsOf(json.holdings), idsOf((await call(buyer)).json.holdings)]).toEqual([
    [11, 2, 10, 1],
    [3, 4],
  ]);
});

test('shows a newly described moment at once', async () => {
  const change = () => commit((tx) => describeMoment(tx, 11, 2));
  expect((await readAfter(call, path, change)).json.holdings[0]).toMatchObject({ momentId: '11', editionId: '1-2' });
});

const transfers = Buffer.from(JSON.stringify([1, 2, 3, '4'])).toString('base64url');
test.each([
  [`${path}?locked=yes`, 'query.locked'],
  [`${path}?tier=EPIC`, 'query.tier'],
  [`${path}?team=`, 'query.team'],
  [`${path}?edition=26`, 'query.edition'],
  [`${path}?sort=floor`, 'query.sort'],
  [`${path}?limit=201`, 'query.limit'],
  [`${path}?cursor=${transfers}`, 'query.cursor'],
  [`${path}?wallet=1`, 'query.wallet'],
  ['/v1/wallets/0x0a/holdings', 'path.address'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
