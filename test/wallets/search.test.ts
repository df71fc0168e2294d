import { beforeAll, expect, test } from 'vitest';
import { recordProfiles } from '../../functions/wallets/record-profiles.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, wallet } from '../support/moments.ts';
import { readAfter, refusal } from '../support/reads.ts';

const { call, refresh } = await createMoments();
const profile = (n: number, displayName: string) =>
  commit((tx) => recordProfiles(tx, [{ wallet: wallet(n), displayName }]));

// 0xb3 has no moments, and 0xa2 no name
beforeAll(async () => {
  await commit(async (tx) => {
    await describeMoment(tx, 1, 1, { playerName: 'Ada Amsel', teamName: 'Harbor Gulls' });
    await describeMoment(tx, 2, 2, { playerName: 'Ada Amsel', teamName: 'Ridge Foxes' });
    await describeMoment(tx, 3, 3, { playerName: 'Bo Madadam', teamName: 'Harbor Gulls' });
    await hold(tx, 1, 0xa1, noon(1));
    await hold(tx, 2, 0xa2, noon(1));
    await hold(tx, 3, 0xa2, noon(1));
  });
  await profile(0xa1, 'adaptive');
  await profile(0xb3, 'ada');
  await refresh();
});

const find = async (q: string) => (await call(`/v1/search?q=${encodeURIComponent(q)}`)).json;

test('finds wallets, players, and teams by name, the most similar first', async () => {
  expect(await find('ADA')).toEqual({
    wallets: [
      { address: wallet(0xb3), displayName: 'ada', momentsTotal: null },
      { address: wallet(0xa1), displayName: 'adaptive', momentsTotal: 1 },
    ],
    players: [
      { name: 'Ada Amsel', editions: 2 },
      { name: 'Bo Madadam', editions: 1 },
    ],
    teams: [],
  });
  // misspelled
  expect((await find('harbour gulls')).teams).toEqual([{ name: 'Harbor Gulls', editions: 2 }]);
});

test('finds wallets by a prefix of their address', async () => {
  for (const [q, expected] of [
    [wallet(0xa1).slice(0, -1).toUpperCase().replace('X', 'x'), [0xa1, 0xa2]],
    [wallet(0xa2), [0xa2]],
    [wallet(0xa3), []],
    ['0xff', []],
  ] as const)
    expect([q, (await find(q)).wallets.map((one: { address: string }) => one.address).sort()]).toEqual([
      q,
      expected.map(wallet),
    ]);
});

test('treats LIKE wildcards as plain characters', async () => {
  for (const q of ['%%', 'a_a', '\\\\'])
    expect([q, await find(q)]).toEqual([q, { wallets: [], players: [], teams: [] }]);
});

test('finds words that begin with two letters', async () => {
  await profile(0xd1, 'Wendy quill');
  await profile(0xd2, 'aqua');
  expect((await find('qu')).wallets).toEqual([
    { address: wallet(0xd1), displayName: 'Wendy quill', momentsTotal: null },
  ]);
  expect((await find('qua')).wallets).toEqual([{ address: wallet(0xd2), displayName: 'aqua', momentsTotal: null }]);
});

test('finds the first by name of more similar names than it compares', async () => {
  const names = Array.from({ length: 1_500 }, (_, i) => `yak ${String(1_499 - i).padStart(4, '0')}`);
  await commit((tx) =>
    recordProfiles(
      tx,
      names.map((displayName, i) => ({ wallet: wallet(0x1000 + i), displayName })),
    ),
  );
  for (const q of ['yak', 'ya']) {
    const { json } = await call(`/v1/search?q=${q}&limit=3`);
    expect(json.wallets.map((one: { displayName: string }) => one.displayName)).toEqual([
      'yak 0000',
      'yak 0001',
      'yak 0002',
    ]);
  }
});

test('applies the limit to each kind', async () => {
  const { json } = await call('/v1/search?q=ada&limit=1');
  expect([json.wallets.length, json.players]).toEqual([1, [{ name: 'Ada Amsel', editions: 2 }]]);
});

test('shows a new name of a wallet or a player at once', async () => {
  const target = '/v1/search?q=zebra';
  const named = await readAfter(call, target, () => profile(0xc4, 'zebra'));
  expect(named.json.wallets).toEqual([{ address: wallet(0xc4), displayName: 'zebra', momentsTotal: null }]);
  const change = () => commit((tx) => describeMoment(tx, 4, 4, { playerName: 'Zebra' }));
  expect((await readAfter(call, target, change)).json.players).toEqual([{ name: 'Zebra', editions: 1 }]);
});

test.each([
  ['/v1/search', 'query.q'],
  ['/v1/search?q=+a+', 'query.q'],
  [`/v1/search?q=${'a'.repeat(101)}`, 'query.q'],
  ['/v1/search?q=ada&limit=51', 'query.limit'],
  ['/v1/search?q=ada&cursor=abc', 'query.cursor'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
