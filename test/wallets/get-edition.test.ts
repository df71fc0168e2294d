import { beforeAll, expect, test } from 'vitest';
import { recordPlays } from '../../functions/wallets/record-catalogue.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, noonText, price, sell } from '../support/moments.ts';
import { readAfter, refusal } from '../support/reads.ts';

const { call, refresh, database } = await createMoments();
const play = {
  id: 565,
  playerName: 'Ada Amsel',
  teamName: 'Harbor Gulls',
  category: 'Dunk',
  season: '2025-26',
  momentAt: new Date('2025-11-30T20:15:00Z'),
  details: { quarter: 4, height: '2.01' },
};

beforeAll(async () => {
  await commit(async (tx) => {
    await recordPlays(tx, [play]);
    await describeMoment(tx, 1, 565, { setName: 'Opening Night', tier: 'LEGENDARY' });
    await describeMoment(tx, 2, 565);
    await describeMoment(tx, 3, 566);
    await price(tx, 565, noon(1), '1200', '1000.5');
    await sell(tx, 1, 0xa, noon(2), '999.99');
    await hold(tx, 2, 0xa, noon(3), true);
  });
  await refresh();
  await database.pool.query(`update wallets.editions_snapshot set updated_at = '2026-01-06T07:08:09.123Z'`);
});

test('returns an edition with its play, counts, and prices', async () => {
  const { json, headers } = await call('/v1/editions/1-565');
  expect(json).toEqual({
    id: '1-565',
    setId: 1,
    playId: 565,
    setName: 'Opening Night',
    playerName: 'Ada Amsel',
    teamName: 'Harbor Gulls',
    tier: 'LEGENDARY',
    supply: 2,
    held: 2,
    locked: 1,
    lockedShare: '0.5000',
    holders: 1,
    floorUsd: '1200',
    averageSaleUsd: '1000.5',
    saleCount: 1,
    lastSaleUsd: '999.99',
    lastSaleAt: noonText(2),
    category: 'Dunk',
    season: '2025-26',
    momentAt: '2025-11-30T20:15:00.000Z',
    play: { quarter: 4, height: '2.01' },
  });
  expect([headers['x-source'], headers['as-of']]).toEqual([undefined, '2026-01-06T07:08:09.123Z']);
});

test('returns an empty play for an edition without one', async () => {
  expect((await call('/v1/editions/1-566')).json).toMatchObject({
    id: '1-566',
    playerName: null,
    category: null,
    momentAt: null,
    play: {},
    supply: 1,
    floorUsd: null,
  });
});

test('accepts leading zeros in the id, and returns 404 for an unknown edition', async () => {
  await call('/v1/editions/1-565');
  const { json, headers } = await call('/v1/editions/001-0565');
  expect([json.id, headers['x-cache']]).toEqual(['1-565', 'hit']);
  for (const id of ['565-1', '2-565', '1-567'])
    expect([id, (await call(`/v1/editions/${id}`)).status]).toEqual([id, 404]);
});

test('shows a changed play at once, and a new price after the next refresh', async () => {
  const renamed = await readAfter(call, '/v1/editions/1-565', () =>
    commit((tx) => recordPlays(tx, [{ ...play, playerName: 'Ada A.', details: { quarter: 1 } }])),
  );
  expect([renamed.json.playerName, renamed.json.play]).toEqual(['Ada A.', { height: '2.01', quarter: 1 }]);
  await commit((tx) => price(tx, 565, noon(4), '99.5'));
  expect((await readAfter(call, '/v1/editions/1-565', refresh)).json.floorUsd).toBe('99.5');
});

test('finds a new edition at once', async () => {
  const created = await readAfter(call, '/v1/editions/1-568', () => commit((tx) => describeMoment(tx, 4, 568)));
  expect(created.json).toMatchObject({ id: '1-568', supply: 0, holders: 0, lockedShare: '0.0000' });
});

test.each([
  ['/v1/editions/26:565', 'path.id'],
  ['/v1/editions/1234567890-1', 'path.id'],
  ['/v1/editions/1-565?tier=RARE', 'query.tier'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
