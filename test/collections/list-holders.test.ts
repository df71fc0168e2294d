import { beforeAll, expect, test } from 'vitest';
import { recordHolders, settleHolders } from '../../functions/collections/record-holders.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const [hats, cups] = [address('c0'), address('c1')];
const path = `/v1/collections/${hats}/holders`;
const line = (day: number, holder: number, tokenCount: number) => ({
  collection: 'tea-club',
  snapshotAt: new Date(Date.UTC(2026, 0, day)),
  wallet: wallet(holder),
  tokenCount,
});

beforeAll(() =>
  commit(async (tx) => {
    // wallets 1 to 6 hold one token each, wallet 3 a second one
    await recordTransfers(
      tx,
      [1, 2, 3, 4, 5, 6, 3].map((holder, token) => transfer(hats, String(token), wallet(holder))),
    );
    await recordTransfers(tx, [
      transfer(cups, '1', wallet(1), { tokenType: 'ERC1155', amount: String(2n ** 200n) }),
      transfer(cups, '1', wallet(2), { tokenType: 'ERC1155', amount: '5' }),
      transfer(cups, '2', wallet(2), { tokenType: 'ERC1155', amount: '7' }),
    ]);
    await recordHolders(tx, [line(1, 1, 4), line(10, 1, 3), line(10, 2, 3), line(10, 3, 9)], 'complete');
    await settleHolders(tx, 'complete');
    await recordHolders(tx, [line(20, 7, 1)], 'under way');
  }),
);

test('lists holders by tokens, then by address, both descending', async () => {
  const { json, headers } = await call(`${path}?limit=3`);
  expect(json).toEqual({
    holders: [
      { address: wallet(3), tokenCount: 2, amount: '2' },
      { address: wallet(6), tokenCount: 1, amount: '1' },
      { address: wallet(5), tokenCount: 1, amount: '1' },
    ],
    holderCount: 6,
    tokenCount: 7,
    asOf: null,
    nextCursor: expect.any(String),
  });
  expect(Date.parse(headers['as-of']!)).toBeLessThanOrEqual(Date.now());
});

test('counts all copies of a token in the amount', async () => {
  const { json } = await call(`/v1/collections/${cups}/holders`);
  expect([json.holders, json.tokenCount]).toEqual([
    [
      { address: wallet(2), tokenCount: 2, amount: '12' },
      { address: wallet(1), tokenCount: 1, amount: String(2n ** 200n) },
    ],
    3,
  ]);
});

test('returns the latest complete list of holders with its time', async () => {
  const { json, headers } = await call('/v1/collections/tea-club/holders');
  expect(json).toEqual({
    holders: [
      { address: wallet(3), tokenCount: 9, amount: '9' },
      { address: wallet(2), tokenCount: 3, amount: '3' },
      { address: wallet(1), tokenCount: 3, amount: '3' },
    ],
    holderCount: 3,
    tokenCount: 15,
    asOf: '2026-01-10T00:00:00.000Z',
    nextCursor: null,
  });
  expect(headers['as-of']).toBe('2026-01-10T00:00:00.000Z');
});

test.each([
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z', 1, 4],
  ['2026-01-09T23:59:59.999Z', '2026-01-01T00:00:00.000Z', 1, 4],
  ['2026-01-31T00:00:00Z', '2026-01-10T00:00:00.000Z', 3, 15],
])('asOf=%s returns the list of %s', async (requested, asOf, holderCount, tokenCount) => {
  const { json, headers } = await call(`/v1/collections/tea-club/holders?asOf=${requested}`);
  expect(json).toMatchObject({ asOf, holderCount, tokenCount });
  expect(headers['as-of']).toBe(asOf);
});

test('returns 404 before the first list, without lists, and for an unknown collection', async () => {
  for (const target of [
    '/v1/collections/tea-club/holders?asOf=2025-12-31T23:59:59Z',
    `${path}?asOf=2026-01-31T00:00:00Z`,
    '/v1/collections/no-such-club/holders',
  ])
    expect([target, (await call(target)).status]).toEqual([target, 404]);
});

test.each([
  [path, [3, 6, 5, 4, 2, 1]],
  ['/v1/collections/tea-club/holders', [3, 2, 1]],
  ['/v1/collections/tea-club/holders?asOf=2026-01-10T00:00:00Z', [3, 2, 1]],
])('%s returns the same holders with any page size', async (target, expected) => {
  for (const limit of [1, 2, 200]) {
    const found = await walk(call, target, 'holders', limit);
    expect([limit, found.map((one) => one.address)]).toEqual([limit, expected.map(wallet)]);
  }
});

test('shows a transfer at once', async () => {
  const change = () => commit((tx) => recordTransfers(tx, [transfer(hats, '0', wallet(2), { from: wallet(1) })]));
  const { json } = await readAfter(call, `${path}?limit=2`, change);
  expect([json.holderCount, json.holders.map((one: { address: string }) => one.address)]).toEqual([
    5,
    [3, 2].map(wallet),
  ]);
});

test('shows a newly completed list at once', async () => {
  const change = () => commit((tx) => settleHolders(tx, 'under way'));
  const { json } = await readAfter(call, '/v1/collections/tea-club/holders', change);
  expect(json).toMatchObject({ holderCount: 1, tokenCount: 1, asOf: '2026-01-20T00:00:00.000Z' });
});

const directory = Buffer.from(JSON.stringify(['Hats', 1])).toString('base64url');
test.each([
  [`${path}?limit=201`, 'query.limit'],
  [`${path}?cursor=${directory}`, 'query.cursor'],
  [`${path}?asOf=2026-01-01`, 'query.asOf'],
  [`${path}?owner=${wallet(1)}`, 'query.owner'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
