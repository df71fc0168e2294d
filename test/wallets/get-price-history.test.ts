import { beforeAll, expect, test } from 'vitest';
import { recordPlayerPrices } from '../../functions/wallets/record-prices.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, noon, noonText, price, wallet } from '../support/moments.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';

const { call } = await createMoments();
const path = '/v1/editions/1-1/price-history';
const playerPrice = (day: number, medianSaleUsd: string) => ({
  playerName: 'Ada Amsel',
  scrapedMicros: noon(day),
  medianSaleUsd,
  saleCount: 3,
  editionCount: 2,
});

// 1-1 and 1-2 have the same player; only 1-1 has its own prices, two of them within a millisecond
beforeAll(() =>
  commit(async (tx) => {
    await describeMoment(tx, 1, 1, { playerName: 'Ada Amsel' });
    await describeMoment(tx, 2, 2, { playerName: 'Ada Amsel' });
    await describeMoment(tx, 3, 3, { playerName: 'Bo Brook' });
    await price(tx, 1, noon(4), null, '7');
    await price(tx, 1, noon(1), '5', '6.25');
    await price(tx, 1, noon(2), '12.50');
    await price(tx, 1, noon(2) + 1n, '12.51');
    await recordPlayerPrices(tx, [playerPrice(2, '8.5'), playerPrice(1, '8')]);
  }),
);

const floorsOf = ({ prices }: { prices: { floorUsd: string | null }[] }) => prices.map(({ floorUsd }) => floorUsd);

test('lists the prices of an edition, oldest first', async () => {
  const { json, headers } = await call(path);
  expect(json).toEqual({
    id: '1-1',
    scope: 'edition',
    prices: [
      { at: noonText(1), floorUsd: '5', saleUsd: '6.25', saleCount: null },
      { at: noonText(2), floorUsd: '12.50', saleUsd: null, saleCount: null },
      { at: noonText(2), floorUsd: '12.51', saleUsd: null, saleCount: null },
      { at: noonText(4), floorUsd: null, saleUsd: '7', saleCount: null },
    ],
    nextCursor: null,
  });
  expect(headers['as-of']).toBe(noonText(4));
});

test('lists the player’s prices for an edition without its own', async () => {
  expect((await call('/v1/editions/1-2/price-history')).json).toEqual({
    id: '1-2',
    scope: 'player',
    prices: [
      { at: noonText(1), floorUsd: null, saleUsd: '8', saleCount: 3 },
      { at: noonText(2), floorUsd: null, saleUsd: '8.5', saleCount: 3 },
    ],
    nextCursor: null,
  });
});

test.each([
  [path, ['5', '12.50', '12.51', null]],
  [`${path}?from=${noonText(2)}`, ['12.50', '12.51', null]],
  ['/v1/editions/1-2/price-history', [null, null]],
])('%s returns the same prices with any page size', async (target, expected) => {
  for (const limit of [1, 2, 5_000])
    expect([limit, floorsOf({ prices: await walk(call, target, 'prices', limit) })]).toEqual([limit, expected]);
});

test.each([
  [`from=${noonText(2)}&to=${noonText(4)}`, ['12.50', '12.51']],
  [`to=${noonText(2)}`, ['5']],
  [`from=${noonText(5)}`, []],
])('%s includes its start and excludes its end', async (range, expected) => {
  expect(floorsOf((await call(`${path}?${range}`)).json)).toEqual(expected);
});

test('returns an empty history for an edition without prices, and 404 for an unknown one', async () => {
  expect((await call('/v1/editions/1-3/price-history')).json).toEqual({
    id: '1-3',
    scope: 'player',
    prices: [],
    nextCursor: null,
  });
  expect((await call('/v1/editions/1-4/price-history')).status).toBe(404);
});

test('shows a new price of the player or the edition at once', async () => {
  const target = '/v1/editions/1-2/price-history';
  const ofPlayer = await readAfter(call, target, () => commit((tx) => recordPlayerPrices(tx, [playerPrice(3, '9')])));
  expect(ofPlayer.json.prices).toHaveLength(3);
  const { json } = await readAfter(call, target, () => commit((tx) => price(tx, 2, noon(1), '99.5')));
  expect([json.scope, floorsOf(json)]).toEqual(['edition', ['99.5']]);
});

const board = Buffer.from(JSON.stringify(['5', wallet(1), 1])).toString('base64url');
test.each([
  [`${path}?from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z`, 'query.to'],
  [`${path}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z`, 'query.to'],
  [`${path}?from=2026-01-02`, 'query.from'],
  [`${path}?to=now`, 'query.to'],
  [`${path}?limit=5001`, 'query.limit'],
  [`${path}?cursor=${board}`, 'query.cursor'],
  ['/v1/editions/one/price-history', 'path.id'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
