import { expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';
import { wallet } from '../support/transfers.ts';
import { activity, deliver } from '../support/webhooks.ts';

const { call, database } = await createCollections();
const [a, b] = [wallet(0xd1), wallet(0xd2)];

test('webhooks that name the same collections in different orders wait for each other, and all succeed', async () => {
  await deliver(call, [activity(a, '0x1'), activity(b, '0x1')]);
  const crosswise = ([removes, records]: readonly [string, string]) =>
    deliver(call, [
      activity(removes, '0x1', {}, { removed: true }),
      ...Array.from({ length: 300 }, (_, i) => activity(records, `0x${(i + 5).toString(16)}`)),
    ]);
  for (let round = 0; round < 8; round++) {
    const pairs = [
      [a, b],
      [b, a],
    ] as const;
    const replies = await Promise.all(pairs.map(crosswise));
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  }
  const { rows } = await database.pool.query(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
});
