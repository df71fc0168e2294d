/** What is legal on a chain, and rare, costs nothing beside it. */
import { expect, test } from 'vitest';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { hash, wallet } from '../support/transfers.ts';
import { activity, deliver } from '../support/webhooks.ts';

const { call, database, importFile } = await createCollections();
const mint = (n: number) => ({ fromAddress: zeroAddress, toAddress: wallet(n) });
const contract = (n: number) => wallet(0xb0_0000 + n);
const amountsOf = async (address: string) =>
  (
    await database.pool.query(
      `select t.amount::text from collections.transfers t join collections.nfts n on n.id = t.nft_id
       join collections.collections c on c.id = n.collection_id where c.address = $1 order by t.amount`,
      [Buffer.from(address.slice(2), 'hex')],
    )
  ).rows.map(({ amount }) => amount);

test('a transfer of nothing is not stored; the transfers beside it are', async () => {
  const { status, json } = await deliver(call, [
    activity(contract(1), [{ tokenId: '0x1', value: '0x3' }], mint(7)),
    activity(contract(1), [{ tokenId: '0x1', value: '0x0' }]),
    activity(
      contract(1),
      [
        { tokenId: '0x1', value: '0x0' },
        { tokenId: '0x2', value: '0x2' },
      ],
      mint(7),
    ),
  ]);
  expect([status, json]).toEqual([200, { applied: 2, unchanged: 2, reverted: 0, rejected: 0 }]);
  expect(await amountsOf(contract(1))).toEqual(['2', '3']);
});

test('a webhook of nothing alone changes nothing', async () => {
  const { json } = await deliver(call, [activity(contract(2), [{ tokenId: '0x1', value: '0x0' }])]);
  expect(json).toEqual({ applied: 0, unchanged: 1, reverted: 0, rejected: 0 });
});

test('a transfer to its sender changes no owner', async () => {
  await deliver(call, [
    activity(contract(3), [{ tokenId: '0x1', value: '0x5' }], mint(1)),
    activity(contract(3), [{ tokenId: '0x1', value: '0x2' }], { toAddress: wallet(1) }),
  ]);
  const { json } = await call(`/v1/collections/${contract(3)}/nfts/1/owner`);
  expect(json.owners).toMatchObject([{ address: wallet(1), amount: '5' }]);
});

test('amounts up to 2^256 - 1 are kept to the last digit', async () => {
  const largest = 2n ** 256n - 1n;
  const [odd, all] = [2n ** 53n + 1n, largest].map((value) => [{ tokenId: '0x1', value: `0x${value.toString(16)}` }]);
  await deliver(call, [activity(contract(4), odd!, mint(1)), activity(contract(4), all!, mint(2))]);
  expect(await amountsOf(contract(4))).toEqual([String(2n ** 53n + 1n), String(largest)]);
});

test.each([
  ['a log index of more than 32 bits', activity(contract(5), '0x1', {}, { logIndex: '0x80000000' })],
  ['a token id of more than 256 bits', activity(contract(5), `0x1${'0'.repeat(64)}`)],
  ['an amount that is no number', activity(contract(5), [{ tokenId: '0x1', value: 'many' }])],
  ['a batch of more than 2^15 tokens', activity(contract(5), Array(32_769).fill({ tokenId: '1', value: '1' }))],
])('%s is rejected alone', async (_, malformed) => {
  const { status, json } = await deliver(call, [malformed, activity(contract(6), '0x1')]);
  expect([status, json]).toEqual([200, { applied: 1, unchanged: 0, reverted: 0, rejected: 1 }]);
});

test('rows of a file: nothing has no effect, and a log index of more than 32 bits is rejected alone', async () => {
  const header = 'collection,block_number,log_index,transaction_hash,token_id,from_address,to_address,amount\n';
  const row = (n: number, logIndex: string, amount: string) =>
    `${contract(7)},${n},${logIndex},${hash(n)},${n},${zeroAddress},${wallet(3)},${amount}\n`;
  const good = Array.from({ length: 200 }, (_, i) => row(i + 1, '1', '1'));
  const file = [header, ...good, row(900, '1', '0'), row(901, '3000000000', '1')].join('');
  expect(await importFile('transfers', 'a.csv', file)).toMatchObject({
    status: 'succeeded',
    rows_applied: 200,
    rows_unchanged: 1,
    rows_rejected: 1,
  });
});
