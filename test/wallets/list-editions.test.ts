import { beforeAll, expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, noonText, price, sell, wallet } from '../support/moments.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';

const { call, refresh, database } = await createMoments();
const path = '/v1/editions';

// two wallets hold three of the four moments of 1-1; 2-1 has the same price and no holder; 1-10 has no moments
beforeAll(async () => {
  await commit(async (tx) => {
    const gulls = { setName: 'Opening Night', tier: 'RARE', playerName: 'Ada Amsel', teamName: 'Harbor Gulls' };
    for (const nft of [1, 2, 3, 4]) await describeMoment(tx, nft, 1, gulls);
    await describeMoment(tx, 5, 2, { tier: 'COMMON', playerName: 'Bo Brook', teamName: 'Harbor Gulls' });
    await describeMoment(tx, 6, 1, { setId: 2, tier: 'RARE', playerName: 'Bo Brook' });
    await price(tx, 1, noon(1), '5', '6.25');
    await price(tx, 2, noon(1), '10.5');
    await price(tx, 1, noon(1), '5', null, 2);
    await price(tx, 10, noon(1), null);
    await sell(tx, 1, 0xa, noon(1), '4');
    await sell(tx, 1, 0xa, noon(2), '9.99');
    await sell(tx, 5, 0xa, noon(3), '10');
    await sell(tx, 5, 0xb, noon(4), '5');
    for (const [nft, owner] of [
      [1, 0xa],
      [2, 0xa],
      [3, 0xb],
      [5, 0xb],
    ] as const)
      await hold(tx, nft, owner, noon(5), nft === 1 || nft === 5);
  });
  await refresh();
  await database.pool.query(`update wallets.editions_snapshot set updated_at = '2026-01-06T07:08:09.123Z'`);
});

const idsOf = (editions: { id: string }[]) => editions.map(({ id }) => id);

test('lists editions with their supply, holders, prices, and sales', async () => {
  const { json, headers } = await call(path);
  const [first, second, , last] = json.editions;
  expect(first).toEqual({
    id: '1-1',
    setId: 1,
    playId: 1,
    setName: 'Opening Night',
    playerName: 'Ada Amsel',
    teamName: 'Harbor Gulls',
    tier: 'RARE',
    supply: 4,
    held: 3,
    locked: 1,
    lockedShare: '0.3333',
    holders: 2,
    floorUsd: '5',
    averageSaleUsd: '6.25',
    saleCount: 2,
    lastSaleUsd: '9.99',
    lastSaleAt: noonText(2),
  });
  // without a scraped average, that of its sales
  expect(second).toMatchObject({ lockedShare: '1.0000', averageSaleUsd: '7.50', saleCount: 2, lastSaleUsd: '5' });
  expect(last).toMatchObject({
    id: '2-1',
    setName: null,
    held: 0,
    lockedShare: '0.0000',
    saleCount: 0,
    lastSaleAt: null,
  });
  expect([json.nextCursor, headers['x-source'], headers['as-of']]).toEqual([
    null,
    undefined,
    '2026-01-06T07:08:09.123Z',
  ]);
});

test.each([
  ['id', ['1-1', '1-2', '1-10', '2-1']],
  ['-floor', ['1-2', '2-1', '1-1', '1-10']],
  ['floor', ['1-1', '2-1', '1-2', '1-10']],
  ['-lastSale', ['1-2', '1-1', '2-1', '1-10']],
  ['-holders', ['1-1', '1-2', '2-1', '1-10']],
  ['-supply', ['1-1', '2-1', '1-2', '1-10']],
  ['-lockedShare', ['1-2', '1-1', '2-1', '1-10']],
])('sorts by %s, with any page size', async (sort, expected) => {
  for (const limit of [1, 2, 3, 200]) {
    const found = await walk(call, `${path}?sort=${sort}`, 'editions', limit);
    expect([limit, idsOf(found)]).toEqual([limit, expected]);
  }
});

test.each([
  ['tier=RARE', ['1-1', '2-1']],
  ['team=Harbor+Gulls', ['1-1', '1-2']],
  ['player=Bo+Brook', ['1-2', '2-1']],
  ['player=Bo+Brook&tier=RARE', ['2-1']],
  ['player=Bo+Brook&tier=RARE&team=Harbor+Gulls', []],
])('%s filters the list, page by page', async (filter, expected) => {
  expect(idsOf(await walk(call, `${path}?${filter}`, 'editions', 1))).toEqual(expected);
});

test('shows a new edition at once, and its counts after the next refresh', async () => {
  const made = await readAfter(call, path, () => commit((tx) => describeMoment(tx, 7, 3, { tier: 'COMMON' })));
  expect([idsOf(made.json.editions), made.json.editions[2].supply]).toEqual([['1-1', '1-2', '1-3', '1-10', '2-1'], 0]);
  expect((await readAfter(call, path, refresh)).json.editions[2].supply).toBe(1);
});

const board = Buffer.from(JSON.stringify(['5', wallet(1), 1])).toString('base64url');
test.each([
  [`${path}?sort=price`, 'query.sort'],
  [`${path}?tier=rare`, 'query.tier'],
  [`${path}?player=`, 'query.player'],
  [`${path}?team=${'x'.repeat(101)}`, 'query.team'],
  [`${path}?limit=ten`, 'query.limit'],
  [`${path}?cursor=${board}`, 'query.cursor'],
  [`${path}?set=1`, 'query.set'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
