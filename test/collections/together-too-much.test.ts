/** Rows that fit the tables one by one, but not together, cost their collection alone. */
import { expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';
import { wallet } from '../support/transfers.ts';
import { activity, deliver } from '../support/webhooks.ts';

const { call, database } = await createCollections();

const most = `0x${'f'.repeat(64)}`;
const hostile = wallet(0xbad);
const victim = wallet(0x900d);
const isStored = async (tx: string) =>
  ((
    await database.pool.query('select 1 from collections.transfers where transaction_hash = $1', [
      Buffer.from(tx.slice(2), 'hex'),
    ])
  ).rowCount ?? 0) > 0;

test('an ERC-1155 contract that mints 2^256-1 ten times to one wallet does not cost the others in the webhook', async () => {
  const mints = Array.from({ length: 10 }, (_, i) =>
    activity(hostile, [{ tokenId: '0x1', value: most }], {}, { logIndex: `0x${(i + 1).toString(16)}` }),
  );
  const healthy = activity(victim, '0x7');
  const reply = await deliver(call, [...mints, healthy]);
  expect([reply.status, await isStored(healthy.log.transactionHash)]).toEqual([200, true]);
});

test('51 rows that the tables refuse do not cost the others in the webhook', async () => {
  // eight fit; each further one is refused alone
  await deliver(
    call,
    Array.from({ length: 8 }, () => activity(wallet(0xbad2), [{ tokenId: '0x1', value: most }])),
  );
  const more = Array.from({ length: 51 }, () => activity(wallet(0xbad2), [{ tokenId: '0x1', value: most }]));
  const healthy = activity(victim, '0x8');
  const reply = await deliver(call, [...more, healthy]);
  expect([reply.status, await isStored(healthy.log.transactionHash)]).toEqual([200, true]);
});
