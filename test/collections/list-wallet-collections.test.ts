import { beforeAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { recordHolders, settleHolders } from '../../functions/collections/record-holders.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const [hats, cups, mugs, pans] = [address('c0'), address('c1'), address('c2'), address('c3')];
const owner = wallet(0xabc);
const path = `/v1/wallets/${owner}/collections`;
const at = (day: number) => new Date(Date.UTC(2026, 0, day));

beforeAll(() =>
  commit(async (tx) => {
    await recordCollection(tx, { collection: hats, name: 'Hats', imageUrl: 'https://x.test/h.png' });
    await recordTransfers(tx, [
      transfer(hats, '1', owner, { timestamp: at(2) }),
      transfer(hats, '2', owner, { timestamp: at(1) }),
      transfer(cups, '1', owner, { tokenType: 'ERC1155', amount: String(2n ** 200n), timestamp: at(3) }),
      transfer(mugs, '1', owner, { timestamp: at(4) }),
      transfer(pans, '1', wallet(1), { timestamp: at(5) }),
    ]);
    const line = { collection: 'tea-club', snapshotAt: at(6), wallet: owner, tokenCount: 9 };
    await recordHolders(tx, [line], 'job');
    await settleHolders(tx, 'job');
  }),
);
const expected = ['tea-club', hats, mugs, cups];

test('lists a wallet’s collections by tokens, then by collection id, both descending', async () => {
  expect((await call(`${path}?limit=4`)).json).toEqual({
    collections: [
      {
        address: 'tea-club',
        name: null,
        imageUrl: null,
        tokenCount: 9,
        amount: '9',
        lastOwnedAt: '2026-01-06T00:00:00.000Z',
      },
      {
        address: hats,
        name: 'Hats',
        imageUrl: 'https://x.test/h.png',
        tokenCount: 2,
        amount: '2',
        lastOwnedAt: '2026-01-02T00:00:00.000Z',
      },
      {
        address: mugs,
        name: null,
        imageUrl: null,
        tokenCount: 1,
        amount: '1',
        lastOwnedAt: '2026-01-04T00:00:00.000Z',
      },
      {
        address: cups,
        name: null,
        imageUrl: null,
        tokenCount: 1,
        amount: String(2n ** 200n),
        lastOwnedAt: '2026-01-03T00:00:00.000Z',
      },
    ],
    nextCursor: null,
  });
});

test('returns the same order with any page size', async () => {
  for (const limit of [1, 2, 3, 200]) {
    const found = await walk(call, path, 'collections', limit);
    expect([limit, found.map((one) => one.address)]).toEqual([limit, expected]);
  }
});

test('returns an empty list for a wallet that holds nothing', async () => {
  expect((await call(`/v1/wallets/${wallet(99)}/collections`)).json).toEqual({ collections: [], nextCursor: null });
});

test('shows a sale at once, also for an address with upper-case digits', async () => {
  const sale = transfer(hats, '1', wallet(1), { from: owner });
  const target = `/v1/wallets/${owner.replace('abc', 'ABC')}/collections?limit=2`;
  const { json } = await readAfter(call, target, () => commit((tx) => recordTransfers(tx, [sale])));
  expect(json.collections[1]).toMatchObject({ address: mugs, tokenCount: 1 });
});

test('shows a new collection name at once', async () => {
  const change = () => commit((tx) => recordCollection(tx, { collection: cups, name: 'Cups' }));
  const { json } = await readAfter(call, path, change);
  expect(json.collections.find((one: { address: string }) => one.address === cups).name).toBe('Cups');
});

const holders = Buffer.from(JSON.stringify([3, owner])).toString('base64url');
test.each([
  [`${path}?limit=201`, 'query.limit'],
  [`${path}?cursor=${holders}`, 'query.cursor'],
  [`${path}?sort=name`, 'query.sort'],
  ['/v1/wallets/0x0123456789abcdef/collections', 'path.address'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
