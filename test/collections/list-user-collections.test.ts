import { beforeAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { recordUsers } from '../../functions/collections/record-users.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const [hats, cups, mugs] = [address('c0'), address('c1'), address('c2')];
const user = (fid: number, ...wallets: number[]) => ({
  fid,
  username: null,
  displayName: null,
  imageUrl: null,
  wallets: wallets.map(wallet),
});
const addresses = ({ collections }: { collections: { address: string }[] }) => collections.map((one) => one.address);
const at = (day: number) => new Date(Date.UTC(2026, 0, day));

beforeAll(() =>
  commit(async (tx) => {
    await recordCollection(tx, { collection: hats, name: 'Hats', imageUrl: 'https://x.test/h.png' });
    await recordTransfers(tx, [
      transfer(hats, '1', wallet(1), { timestamp: at(1) }),
      transfer(cups, '1', wallet(1), { tokenType: 'ERC1155', amount: '5', timestamp: at(3) }),
      transfer(cups, '1', wallet(2), { tokenType: 'ERC1155', amount: '6', timestamp: at(2) }),
      transfer(mugs, '1', wallet(1), { timestamp: at(4) }),
      transfer(hats, '2', wallet(3), { timestamp: at(5) }),
    ]);
    await recordUsers(tx, [user(7, 2, 1), user(8), user(9, 3)]);
  }),
);

test('adds up what a user’s wallets hold, by tokens descending, then by collection id', async () => {
  expect((await call('/v1/users/7/collections')).json).toEqual({
    fid: 7,
    wallets: [wallet(1), wallet(2)],
    collections: [
      {
        address: cups,
        name: null,
        imageUrl: null,
        tokenCount: 2,
        amount: '11',
        lastOwnedAt: '2026-01-03T00:00:00.000Z',
      },
      {
        address: hats,
        name: 'Hats',
        imageUrl: 'https://x.test/h.png',
        tokenCount: 1,
        amount: '1',
        lastOwnedAt: '2026-01-01T00:00:00.000Z',
      },
      {
        address: mugs,
        name: null,
        imageUrl: null,
        tokenCount: 1,
        amount: '1',
        lastOwnedAt: '2026-01-04T00:00:00.000Z',
      },
    ],
  });
});

test('returns an empty list for a user without wallets, and 404 for an unknown one', async () => {
  expect((await call('/v1/users/8/collections')).json).toEqual({ fid: 8, wallets: [], collections: [] });
  expect((await call('/v1/users/10/collections')).status).toBe(404);
});

test('shows a sold token and a new wallet at once', async () => {
  const sale = transfer(mugs, '1', wallet(4), { from: wallet(1) });
  const sold = await readAfter(call, '/v1/users/7/collections', () => commit((tx) => recordTransfers(tx, [sale])));
  expect(addresses(sold.json)).toEqual([cups, hats]);
  const verified = await readAfter(call, '/v1/users/9/collections', () =>
    commit((tx) => recordUsers(tx, [user(9, 2, 3)])),
  );
  expect(addresses(verified.json)).toEqual([hats, cups]);
});

test.each([
  ['/v1/users/ann/collections', 'path.fid'],
  ['/v1/users/7/collections?limit=1', 'query.limit'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
