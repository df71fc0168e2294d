import { beforeAll, expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment } from '../support/moments.ts';
import { readAfter, refusal } from '../support/reads.ts';

const { call, refresh, database } = await createMoments();
const path = '/v1/explorer/filters';

// 1-1 has three moments, the others one each; 1-3 has only a team, 1-4 no names
beforeAll(async () => {
  await commit(async (tx) => {
    const gulls = { setName: 'Opening Night', tier: 'RARE', playerName: 'Bo Brook', teamName: 'Harbor Gulls' };
    for (const nft of [1, 2, 3]) await describeMoment(tx, nft, 1, gulls);
    await describeMoment(tx, 4, 2, { ...gulls, tier: 'COMMON', playerName: 'Ada Amsel' });
    await describeMoment(tx, 5, 3, { teamName: 'Ridge Foxes' });
    await describeMoment(tx, 6, 4);
  });
  await refresh();
  await database.pool.query(`update wallets.editions_snapshot set updated_at = '2026-01-06T07:08:09.123Z'`);
});

const expected = {
  tiers: [
    { name: 'COMMON', editions: 1, moments: 1 },
    { name: 'RARE', editions: 1, moments: 3 },
  ],
  teams: [
    { name: 'Harbor Gulls', editions: 2, moments: 4 },
    { name: 'Ridge Foxes', editions: 1, moments: 1 },
  ],
  players: [
    { name: 'Ada Amsel', editions: 1, moments: 1 },
    { name: 'Bo Brook', editions: 1, moments: 3 },
  ],
  sets: [{ name: 'Opening Night', editions: 2, moments: 4 }],
};

test('counts tiers, teams, players, and sets, sorted by name', async () => {
  const { json, headers } = await call(path);
  expect(json).toEqual(expected);
  expect([headers['x-source'], headers['as-of']]).toEqual([undefined, '2026-01-06T07:08:09.123Z']);
});

test('shows a new edition at once, and its moments after the next refresh', async () => {
  const named = await readAfter(call, path, () => commit((tx) => describeMoment(tx, 7, 5, { tier: 'ULTIMATE' })));
  const added = { name: 'ULTIMATE', editions: 1, moments: 0 };
  expect(named.json).toEqual({ ...expected, tiers: [...expected.tiers, added] });
  expect((await readAfter(call, path, refresh)).json.tiers).toEqual([...expected.tiers, { ...added, moments: 1 }]);
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, `${path}?tier=RARE`)).toEqual([400, ['query.tier']]);
});
