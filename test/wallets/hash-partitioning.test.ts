import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { recordHoldings } from '../../functions/wallets/record-holdings.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { database, runMessage, call } = await createTestDomain('wallets');
const guide = await readFile(new URL('../../docs/hash-partitioning.md', import.meta.url), 'utf8');
const [create, mirror, copy, swap, ...more] = [...guide.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, block]) => block!);

const wallet = (n: number) => `0x${(n + 1).toString(16).padStart(16, '0')}`;
const hold = (from: number, to: number, owner: (nft: number) => number, second: number) =>
  commit((tx) =>
    recordHoldings(
      tx,
      Array.from({ length: to - from }, (_, i) => ({
        nftId: String(from + i),
        wallet: wallet(owner(from + i)),
        isLocked: false,
        lastEventMicros: BigInt(1_700_000_000 + second) * 1_000_000n,
      })),
    ),
  );
/** Runs the statements of a block in one transaction. */
async function run(block: string, values: unknown[] = []): Promise<void> {
  const client = await database.pool.connect();
  await client.query('begin');
  const statements = values.length > 0 ? block.trim().split(/;\n/) : [block];
  for (const statement of statements) await client.query(statement, statement.includes('$2') ? values : []);
  await client.query('commit');
  client.release();
}
const all = async (table: string) => (await database.pool.query(`select * from wallets.${table} order by nft_id`)).rows;

test('the guide’s steps move all holdings while others write', async () => {
  expect(more).toEqual([]);
  await hold(0, 3_000, (nft) => nft % 100, 1);
  await run(create!);
  await run(mirror!);
  // writes, moves, and removals between the steps
  await hold(2_900, 3_200, (nft) => nft % 7, 2);
  for (let from = 0; from < 4_000; from += 500) {
    await run(copy!, [from, from + 500]);
    await hold(from, from + 20, () => 3, 3 + from);
    await commit((tx) => tx.query('delete from wallets.wallet_holdings where nft_id = $1', [from + 30]));
  }
  const before = await all('wallet_holdings');
  expect(await all('wallet_holdings_parted')).toEqual(before);
  await run(swap!);
  expect(await all('wallet_holdings')).toEqual(before);
  expect(
    (await database.pool.query(`select count(*)::int as n from wallets.wallet_holdings_3`)).rows[0].n,
  ).toBeGreaterThan(100);

  await hold(0, 50, () => 5, 9_999);
  await runMessage({ job: 'wallets.refreshSnapshots', requestedBy: 'test' });
  const { rows } = await database.pool.query(
    `select count(*)::int as n from wallets.wallet_holdings where wallet_address = decode($1, 'hex')`,
    [wallet(5).slice(2)],
  );
  expect((await call(`/v1/wallets/${wallet(5)}/summary`)).json.momentsTotal).toBe(rows[0].n);
});
