import { beforeAll, expect, test } from 'vitest';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordTransfers, type TransferRecord } from '../../functions/collections/record-transfers.ts';
import { revertTransfers } from '../../functions/collections/revert-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal, walk } from '../support/reads.ts';
import { address, hash, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const cups = address('c1');
const path = `/v1/collections/${cups}/nfts/1/transfers`;
const cup = (n: number, position: Partial<TransferRecord>) =>
  transfer(cups, '1', wallet(n), { tokenType: 'ERC1155', transactionHash: hash(n), ...position });

// numbered by position in the chain, stored in another order
const expected = [7, 6, 5, 4, 3, 2, 1].map(hash);
beforeAll(() =>
  commit(async (tx) => {
    await recordTransfers(tx, [
      cup(7, {
        blockNumber: 300,
        logIndex: 12,
        from: wallet(6),
        amount: String(2n ** 200n),
        priceEth: '0.0000000001',
        timestamp: new Date('2026-01-06T07:08:09.123Z'),
      }),
      cup(5, { blockNumber: 200, logIndex: 4, batchIndex: 1 }),
      cup(4, { blockNumber: 200, logIndex: 4, batchIndex: 0 }),
      cup(6, { blockNumber: 200, logIndex: 10 }),
      cup(1, { blockNumber: 99, logIndex: undefined, timestamp: new Date('2026-01-01T00:00:00Z') }),
      // without a log index, arrival decides
      cup(2, { blockNumber: 200, logIndex: undefined }),
      cup(3, { blockNumber: 200, logIndex: undefined }),
      transfer(cups, '2', wallet(1), { tokenType: 'ERC1155' }),
    ]);
    await recordNfts(tx, [{ collection: cups, tokenId: '3' }]);
  }),
);

test('returns a transfer with its position, parties, amount, and price', async () => {
  const { json, headers } = await call(path);
  const { transfers, nextCursor } = json;
  expect([transfers[0], transfers[6], nextCursor]).toEqual([
    {
      transactionHash: hash(7),
      logIndex: 12,
      blockNumber: 300,
      timestamp: '2026-01-06T07:08:09.123Z',
      from: wallet(6),
      to: wallet(7),
      amount: String(2n ** 200n),
      priceEth: '0.0000000001',
    },
    {
      transactionHash: hash(1),
      logIndex: null,
      blockNumber: 99,
      timestamp: '2026-01-01T00:00:00.000Z',
      from: zeroAddress,
      to: wallet(1),
      amount: '1',
      priceEth: null,
    },
    null,
  ]);
  expect(headers['as-of']).toBe('2026-01-06T07:08:09.123Z');
});

test('sorts by position in the chain, latest first, with any page size', async () => {
  for (const limit of [1, 2, 3, 200]) {
    const found = await walk(call, path, 'transfers', limit);
    expect([limit, found.map((one) => one.transactionHash)]).toEqual([limit, expected]);
  }
});

test('returns an empty list for a token without transfers, and 404 for an unknown one', async () => {
  const ofToken = (tokenId: string) => call(`/v1/collections/${cups}/nfts/${tokenId}/transfers`);
  expect((await ofToken('3')).json).toEqual({ transfers: [], nextCursor: null });
  expect([(await ofToken('4')).status, (await call('/v1/collections/no-such-club/nfts/1/transfers')).status]).toEqual([
    404, 404,
  ]);
});

test('shows a transfer at once, and hides it at once after a reorg', async () => {
  const last = cup(8, { blockNumber: 400, logIndex: 1, blockHash: hash(400), reportedAt: new Date('2026-01-07Z') });
  const shown = await readAfter(call, path, () => commit((tx) => recordTransfers(tx, [last])));
  expect(shown.json.transfers.map((one: { transactionHash: string }) => one.transactionHash)).toEqual([
    hash(8),
    ...expected,
  ]);
  const gone = await readAfter(call, path, () =>
    commit((tx) =>
      revertTransfers(tx, [{ ...last, logIndex: 1, blockHash: hash(400), reportedAt: new Date('2026-01-08Z') }]),
    ),
  );
  expect(gone.json.transfers.map((one: { transactionHash: string }) => one.transactionHash)).toEqual(expected);
});

const holders = Buffer.from(JSON.stringify([3, address('aa')])).toString('base64url');
test.each([
  [`${path}?limit=0`, 'query.limit'],
  [`${path}?cursor=${holders}`, 'query.cursor'],
  [`${path}?from=${wallet(1)}`, 'query.from'],
  [`/v1/collections/${cups}/nfts/one/transfers`, 'path.tokenId'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
