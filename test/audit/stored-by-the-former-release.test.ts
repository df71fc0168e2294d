/** Audit: a transfer that the former release stores after migration 0017 counts as final, whatever its block comes to. */
import { expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';
import { hash, wallet } from '../support/transfers.ts';
import { activity, deliver } from '../support/webhooks.ts';

const { call, database } = await createCollections();
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

test('a removal reverts a transfer that the former release stored during the deployment', async () => {
  const one = activity(wallet(0x721), '0x1', {}, { blockHash: hash(0xdead) });
  await deliver(call, [one]);
  // the former release’s webhook stores the same row, but knows no unsettled_transfers
  await q('delete from collections.unsettled_transfers');
  const { json } = await deliver(call, [{ ...one, log: { ...one.log, removed: true } }], new Date(Date.now() + 1));
  expect([json.reverted, await q('select 1 from collections.transfers')]).toEqual([1, []]);
});
