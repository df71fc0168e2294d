/** Owners that were read from upstream stand for one block: transfers up to it do not count, later ones count once. */
import { expect, test } from 'vitest';
import { concludeOwners, type OwnerRecord, recordOwners } from '../../functions/collections/record-owners.ts';
import { recordTransfers, type TransferRecord } from '../../functions/collections/record-transfers.ts';
import { revertTransfers } from '../../functions/collections/revert-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { hash, transfer, wallet } from '../support/transfers.ts';

const { call, database } = await createCollections();
let contracts = 0;

async function newContract(tokenType: 'ERC721' | 'ERC1155') {
  const contract = wallet(0xa0_0000 + ++contracts);
  await database.pool.query('insert into collections.collections (address, token_type) values ($1, $2)', [
    Buffer.from(contract.slice(2), 'hex'),
    tokenType,
  ]);
  return contract;
}
const store = (...rows: TransferRecord[]) => commit((tx) => recordTransfers(tx, rows));
const list = (contract: string, block: number, ...rows: OwnerRecord[]) =>
  commit(async (tx) => {
    await recordOwners(tx, contract, block, rows);
    await concludeOwners(tx, contract, block);
  });
const owned = (tokenId: string, n: number, amount = '1') => ({ tokenId, owner: wallet(n), amount });
const move = (contract: string, from: number, to: number, blockNumber: number, amount = '1') =>
  transfer(contract, '1', wallet(to), { from: wallet(from), blockNumber, amount });

const ownersOf = async (contract: string, tokenId = '1') => {
  const { json } = await call(`/v1/collections/${contract}/nfts/${tokenId}/owner`);
  return Object.fromEntries(
    json.owners.map((one: { address: string; amount: string }) => [Number(one.address), one.amount]),
  );
};

test.each([
  ['ERC721', { 5: '1' }, { 3: '1' }],
  ['ERC1155', { 5: '4' }, { 5: '3', 3: '1' }],
] as const)(
  '%s: a transfer in the block of the owners is part of them; one after it is not',
  async (type, at, after) => {
    const contract = await newContract(type);
    await list(contract, 100, owned('1', 5, at[5]));
    await store(move(contract, 1, 2, 100), move(contract, 1, 2, 99));
    expect(await ownersOf(contract)).toEqual(at);
    await store(move(contract, 5, 3, 101));
    expect(await ownersOf(contract)).toEqual(after);
  },
);

test.each(['ERC721', 'ERC1155'] as const)(
  '%s: a list older than the owners that are stored changes nothing',
  async (type) => {
    const contract = await newContract(type);
    await list(contract, 100, owned('1', 2), owned('2', 2));
    await list(contract, 90, owned('1', 1), owned('2', 1));
    expect([await ownersOf(contract), await ownersOf(contract, '2')]).toEqual([{ 2: '1' }, { 2: '1' }]);
  },
);

test.each(['ERC721', 'ERC1155'] as const)(
  '%s: a list that covers less than half of the owners is refused',
  async (type) => {
    const contract = await newContract(type);
    const all = [1, 2, 3, 4].map((n) => owned(String(n), n));
    await list(contract, 100, ...all);
    await expect(list(contract, 110, all[0]!)).rejects.toMatchObject({ code: 'integrity' });
    expect(await ownersOf(contract, '4')).toEqual({ 4: '1' });
    await list(contract, 110, all[0]!, all[1]!);
    expect(await ownersOf(contract, '4')).toEqual({});
  },
);

test('a token that moved after the block is left out, and its transfers go on counting', async () => {
  const contract = await newContract('ERC1155');
  await list(contract, 100, owned('1', 2, '5'), owned('2', 2));
  await store(move(contract, 2, 3, 150, '2'));
  // read after the transfer, or before it: upstream does not say
  for (const amounts of [
    ['3', '2'],
    ['5', '0'],
  ] as const) {
    await list(contract, 140, owned('1', 2, amounts[0]), owned('1', 3, amounts[1]), owned('2', 2));
    expect(await ownersOf(contract)).toEqual({ 2: '3', 3: '2' });
  }
  // one before the list was missed
  await store(move(contract, 3, 4, 130));
  expect(await ownersOf(contract)).toEqual({ 2: '3', 3: '1', 4: '1' });
  await list(contract, 200, owned('1', 2, '3'), owned('1', 9, '2'), owned('2', 2));
  expect(await ownersOf(contract)).toEqual({ 2: '3', 9: '2' });
});

test('burnt amounts of the zero address are left out', async () => {
  const contract = await newContract('ERC1155');
  await list(contract, 100, { tokenId: '1', owner: zeroAddress, amount: '4' }, owned('1', 2));
  expect(await ownersOf(contract)).toEqual({ 2: '1' });
});

test.each(['ERC721', 'ERC1155'] as const)('%s: a removal in the block of the owners takes them back', async (type) => {
  const contract = await newContract(type);
  const last = { ...move(contract, 1, 2, 100), blockHash: hash(1_000), reportedAt: new Date(1e12) };
  await store(transfer(contract, '1', wallet(1), { blockNumber: 90 }), last);
  await list(contract, 100, owned('1', 2));
  await commit((tx) =>
    revertTransfers(tx, [{ ...last, logIndex: last.logIndex!, blockHash: hash(1_000), reportedAt: new Date(2e12) }]),
  );
  expect(await ownersOf(contract)).toEqual({ 1: '1' });
  const { rows } = await database.pool.query(
    'select owners_verified_at from collections.collections where address = $1',
    [Buffer.from(contract.slice(2), 'hex')],
  );
  expect(rows).toEqual([{ owners_verified_at: null }]);
});

test('a removal takes back an owner of a list that is still under way', async () => {
  const contract = await newContract('ERC721');
  const last = { ...move(contract, 1, 2, 100), blockHash: hash(1_000), reportedAt: new Date(1e12) };
  await store(transfer(contract, '1', wallet(1), { blockNumber: 90 }), last);
  await commit((tx) => recordOwners(tx, contract, 100, [owned('1', 2)]));
  await commit((tx) =>
    revertTransfers(tx, [{ ...last, logIndex: last.logIndex!, blockHash: hash(1_000), reportedAt: new Date(2e12) }]),
  );
  expect(await ownersOf(contract)).toEqual({ 1: '1' });
});

test('owners are derived anew when the standard of a collection becomes known', async () => {
  const contract = wallet(0xa0_0000 + ++contracts);
  await store(
    transfer(contract, '1', wallet(1), { blockNumber: 10, amount: '5' }),
    transfer(contract, '1', wallet(2), { blockNumber: 11, from: wallet(1), amount: '2' }),
  );
  await list(contract, 5, owned('2', 7));
  expect(await ownersOf(contract)).toEqual({ 2: '1' });
  await store(transfer(contract, '1', wallet(3), { blockNumber: 12, tokenType: 'ERC1155', amount: '4' }));
  expect(await ownersOf(contract)).toEqual({ 1: '3', 2: '2', 3: '4' });
  await commit((tx) =>
    tx.query(`update collections.collections set token_type = 'ERC721' where address = $1`, [
      Buffer.from(contract.slice(2), 'hex'),
    ]),
  );
  expect(await ownersOf(contract)).toEqual({ 3: '1' });
});

test('once the standard has changed, transfers of any block count, also of a token that the last list left out', async () => {
  const contract = await newContract('ERC721');
  await list(contract, 100, owned('1', 2), owned('2', 2));
  await store(move(contract, 2, 3, 150));
  await list(contract, 140, owned('1', 3), owned('2', 2));
  await commit((tx) =>
    tx.query(`update collections.collections set token_type = 'ERC1155' where address = $1`, [
      Buffer.from(contract.slice(2), 'hex'),
    ]),
  );
  await store(transfer(contract, '1', wallet(4), { blockNumber: 95, amount: '2' }));
  expect(await ownersOf(contract)).toEqual({ 3: '1', 4: '2' });
});
