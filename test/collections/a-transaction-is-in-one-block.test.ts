/** Of the reports of a transaction, one block counts, in whatever order they arrive. */
import { expect, test } from 'vitest';
import { recordTransfers, type TransferRecord } from '../../functions/collections/record-transfers.ts';
import { revertTransfers } from '../../functions/collections/revert-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { hash, transfer, wallet } from '../support/transfers.ts';
import { activity, deliver } from '../support/webhooks.ts';

const { call, database } = await createCollections();
let contracts = 0;
const newContract = () => wallet(0xa0_0000 + ++contracts);
const minute = (n: number) => new Date(Date.UTC(2026, 0, 1, 0, n));
const store = (...rows: TransferRecord[]) => commit((tx) => recordTransfers(tx, rows));

const ownersOf = async (contract: string, tokenId = '1') => {
  const { json } = await call(`/v1/collections/${contract}/nfts/${tokenId}/owner`);
  return json.owners.map((one: { address: string; amount: string }) => [one.address, one.amount]);
};
const storedOf = async (contract: string) =>
  (
    await database.pool.query(
      `select t.block_number::int as block, t.log_index as log, t.price_eth::text as price
       from collections.transfers t join collections.nfts n on n.id = t.nft_id
       join collections.collections c on c.id = n.collection_id where c.address = $1 order by t.id`,
      [Buffer.from(contract.slice(2), 'hex')],
    )
  ).rows;

/** Ten of an ERC-1155 token go to wallet 5, in a block, as reported at a minute. */
function mint(contract: string, blockNumber: number, logIndex: number, reported?: { at: number; isFinal?: boolean }) {
  const position = { transactionHash: hash(contracts), blockNumber, logIndex, tokenType: 'ERC1155' as const };
  return transfer(contract, '1', wallet(5), {
    ...position,
    amount: '10',
    ...(reported && { reportedAt: minute(reported.at) }),
    ...(reported && !reported.isFinal && { blockHash: hash(900_000 + blockNumber * 10 + reported.at) }),
  });
}

test.each([
  ['a later report', { at: 1 }, { at: 2 }],
  ['a report of a final block, although it is older', { at: 2 }, { at: 1, isFinal: true }],
  ['any report, not a file', undefined, { at: 1 }],
])('%s counts, and the transfer counts once', async (_, loses, wins) => {
  for (const order of ['first', 'last'] as const) {
    const contract = newContract();
    const rows = [mint(contract, 100, 5, loses), mint(contract, 101, 9, wins)];
    for (const row of order === 'first' ? rows : rows.reverse()) await store(row);
    expect([order, await storedOf(contract)]).toEqual([order, [{ block: 101, log: 9, price: null }]]);
    expect(await ownersOf(contract)).toEqual([[wallet(5), '10']]);
  }
});

test('reports of one batch are compared too', async () => {
  const contract = newContract();
  await store(mint(contract, 101, 9, { at: 2 }), mint(contract, 100, 5, { at: 1 }));
  expect(await storedOf(contract)).toEqual([{ block: 101, log: 9, price: null }]);
});

test('a block of the same height with another hash is another block', async () => {
  const contract = newContract();
  await store(mint(contract, 100, 5, { at: 1 }));
  await store(mint(contract, 100, 9, { at: 2 }));
  expect(await storedOf(contract)).toEqual([{ block: 100, log: 9, price: null }]);
});

test('the price from a file is kept when the transaction turns out to be in another block', async () => {
  const contract = newContract();
  await store({ ...mint(contract, 100, 5), priceEth: '0.5' });
  await store(mint(contract, 101, 9, { at: 1 }));
  expect(await storedOf(contract)).toEqual([{ block: 101, log: 9, price: '0.5' }]);
});

const removal = (contract: string, log: TransferRecord, at: number, blockHash = log.blockHash!) => ({
  collection: contract,
  transactionHash: log.transactionHash,
  logIndex: log.logIndex!,
  blockNumber: log.blockNumber,
  blockHash,
  reportedAt: minute(at),
});
const revert = (contract: string, log: TransferRecord, at: number, blockHash?: string) =>
  commit((tx) => revertTransfers(tx, [removal(contract, log, at, blockHash)]));

test('a removal of another block at the same height reverts nothing', async () => {
  const contract = newContract();
  const mined = mint(contract, 100, 5, { at: 2 });
  await store(mined);
  expect(await revert(contract, mined, 3, hash(1))).toEqual({ applied: 0, unchanged: 1 });
  expect(await ownersOf(contract)).toEqual([[wallet(5), '10']]);
});

test('a report that is older than the removal of its block changes nothing; a newer one counts', async () => {
  const contract = newContract();
  const mined = mint(contract, 100, 5, { at: 1 });
  await revert(contract, mined, 2);
  await store(mined);
  expect(await storedOf(contract)).toEqual([]);
  await store({ ...mined, reportedAt: minute(3) });
  expect(await storedOf(contract)).toHaveLength(1);
  await revert(contract, mined, 2);
  expect(await storedOf(contract)).toHaveLength(1);
});

test.each([
  ['read from a final block', (mined: TransferRecord) => store({ ...mined, blockHash: undefined })],
  ['found in one by its hash', () => database.pool.query('truncate collections.unsettled_transfers')],
])('a transfer that was %s is not reverted by a removal that is late', async (_, settle) => {
  const contract = newContract();
  const mined = mint(contract, 100, 5, { at: 1 });
  await store(mined);
  await settle(mined);
  await revert(contract, mined, 2);
  expect(await ownersOf(contract)).toEqual([[wallet(5), '10']]);
});

test('a webhook that removes a log and reports it in another block does both, in this order', async () => {
  const contract = newContract();
  const log = { transactionHash: hash(77), logIndex: '0x5' };
  const before = activity(contract, '0x1', {}, { ...log, blockHash: hash(1_001) });
  const after = activity(contract, '0x1', {}, { ...log, blockHash: hash(1_002) });
  await deliver(call, [before], minute(1));
  const removed = { ...before, log: { ...before.log, removed: true } };
  const { json } = await deliver(call, [after, removed], minute(2));
  expect(json).toEqual({ applied: 1, unchanged: 0, reverted: 1, rejected: 0 });
  expect(await ownersOf(contract)).toEqual([[wallet(2), '1']]);
});

test('a report dated in the future counts from its arrival, so that a later removal takes it back', async () => {
  const contract = newContract();
  const mined = activity(contract, '0x1');
  await deliver(call, [mined], new Date('2100-01-01T00:00:00Z'));
  expect(await ownersOf(contract)).toEqual([[wallet(2), '1']]);
  const removed = { ...mined, log: { ...mined.log, removed: true } };
  expect((await deliver(call, [removed])).json).toMatchObject({ reverted: 1 });
});
