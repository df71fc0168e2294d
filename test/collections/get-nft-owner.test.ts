import { beforeAll, expect, test } from 'vitest';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordOwners } from '../../functions/collections/record-owners.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const [hats, cups] = [address('c0'), address('c1')];
const ownerOf = (collection: string, tokenId: string) => `/v1/collections/${collection}/nfts/${tokenId}/owner`;
const at = (day: number) => new Date(Date.UTC(2026, 0, day));
const cup = (tokenId: string, to: string, amount: string) =>
  transfer(cups, tokenId, to, { tokenType: 'ERC1155', amount, timestamp: at(1) });

beforeAll(() =>
  commit(async (tx) => {
    await recordTransfers(tx, [
      transfer(hats, '1', wallet(1), { timestamp: at(1) }),
      transfer(hats, '1', wallet(10), { from: wallet(1), timestamp: at(2) }),
      transfer(hats, '2', wallet(1)),
      transfer(hats, '2', zeroAddress, { from: wallet(1) }),
      cup('1', wallet(1), '5'),
      cup('1', wallet(3), String(2n ** 200n)),
      cup('1', wallet(2), '5'),
      cup('2', wallet(1), '1'),
      cup('2', wallet(2), '7'),
      transfer(cups, '2', wallet(2), { from: wallet(1), tokenType: 'ERC1155', amount: '1', timestamp: at(3) }),
    ]);
    await recordNfts(tx, [{ collection: hats, tokenId: '3' }]);
  }),
);

test('returns the recipient of the last transfer as the owner', async () => {
  const { json, headers } = await call(ownerOf(hats, '1'));
  expect(json).toEqual({
    collection: hats,
    tokenId: '1',
    owner: wallet(10),
    owners: [{ address: wallet(10), amount: '1', acquiredAt: '2026-01-02T00:00:00.000Z', lastVerifiedAt: null }],
  });
  expect(headers['as-of']).toBe('2026-01-02T00:00:00.000Z');
});

test('lists the holders of a shared token, largest amount first, then by address', async () => {
  const { owner, owners } = (await call(ownerOf(cups, '1'))).json;
  expect([owner, owners.map((one: { address: string; amount: string }) => [one.address, one.amount])]).toEqual([
    null,
    [
      [wallet(3), String(2n ** 200n)],
      [wallet(1), '5'],
      [wallet(2), '5'],
    ],
  ]);
});

test('leaves out holders with nothing left; the only one left is the owner', async () => {
  const { owner, owners } = (await call(ownerOf(cups, '2'))).json;
  expect([owner, owners]).toEqual([wallet(2), [expect.objectContaining({ address: wallet(2), amount: '8' })]]);
});

test.each(['2', '3'])('token %s, burned or never transferred, has no owner', async (tokenId) => {
  expect((await call(ownerOf(hats, tokenId))).json).toEqual({ collection: hats, tokenId, owner: null, owners: [] });
});

test('returns 404 for an unknown token or collection', async () => {
  for (const target of [ownerOf(hats, '4'), ownerOf(address('ee'), '1'), ownerOf('no-such-club', '1')])
    expect([target, (await call(target)).status]).toEqual([target, 404]);
});

test('shows a transfer at once', async () => {
  const change = () => commit((tx) => recordTransfers(tx, [transfer(hats, '1', wallet(2), { from: wallet(10) })]));
  expect((await readAfter(call, ownerOf(hats, '1'), change)).json).toMatchObject({
    owner: wallet(2),
    owners: [{ address: wallet(2), acquiredAt: null }],
  });
});

test('shows a verification by upstream at once, with its time in as-of', async () => {
  const row = { tokenId: '3', owner: wallet(4), amount: '1' };
  const { json, headers } = await readAfter(call, ownerOf(hats, '3'), () =>
    commit((tx) => recordOwners(tx, hats, 1_000, [row])),
  );
  expect([json.owner, json.owners[0].lastVerifiedAt]).toEqual([wallet(4), headers['as-of']]);
});

test.each([
  [ownerOf(hats, '-1'), 'path.tokenId'],
  [ownerOf('0x12', '1'), 'path.address'],
  [`${ownerOf(hats, '1')}?limit=1`, 'query.limit'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
