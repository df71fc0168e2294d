/** A collection whose orphaned transfers cannot be reverted is quarantined; the others are settled. */
import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { mine } from '../../local/upstreams/world.ts';
import { createCollections } from '../support/collections.ts';
import { createCollection, createEmptyWorld } from '../support/small-chain.ts';
import { hash, wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';
import { activity, deliver } from '../support/webhooks.ts';

const world = createEmptyWorld();
const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world, pageSize: 4 });
const { call, runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: alchemy.url });
afterAll(() => alchemy.stop());
declaredAlchemy.requestsPerSecond = 1_000;
const healthy = createCollection('ERC721', 1);
const hostile = wallet(0xbad);
world.collections.push(healthy);
for (let i = 0; i < 100; i++) mine(world, []);
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const { result: head } = { result: world.head };

const most = `0x${'f'.repeat(64)}`;
/** Eight times 2^256-1, which is as much as the column holds. */
const eight = (from: string, to: string, block: number, blockHash: string) =>
  Array.from({ length: 8 }, (_, i) =>
    activity(
      hostile,
      [{ tokenId: '0x1', value: most }],
      { fromAddress: from, toAddress: to },
      { blockHash, blockNumber: `0x${block.toString(16)}`, logIndex: `0x${i.toString(16)}` },
    ),
  );

test('a reorg of one collection that cannot be reverted does not stop the syncs of all others', async () => {
  await q(
    `insert into collections.collections (address, token_type, completeness, deployed_block) values ($1, 'ERC721', 'complete', 1)`,
    [Buffer.from(healthy.address.slice(2), 'hex')],
  );
  const canonical = (number: number) =>
    fetch(`${alchemy.url}/v2/${testCredentials(declaredAlchemy).apiKey}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([
        { jsonrpc: '2.0', id: 0, method: 'eth_getBlockByNumber', params: [`0x${number.toString(16)}`, false] },
      ]),
    })
      .then((response) => response.json() as Promise<{ result: { hash: string } }[]>)
      .then((replies) => replies[0]!.result.hash);
  const zero = wallet(0);
  // a contract may emit what it likes: it fills a wallet, empties it in a block that is orphaned, and fills it again
  const replies = [
    await deliver(call, eight(zero, wallet(1), head - 3, await canonical(head - 3))),
    await deliver(call, eight(wallet(1), zero, head - 2, hash(0xdead))),
    await deliver(call, eight(zero, wallet(1), head - 1, await canonical(head - 1))),
  ];
  expect(replies.map(({ json }) => json.applied)).toEqual([8, 8, 8]);
  for (let i = 0; i < 3; i++) await runMessage({ job: 'collections.syncTransfers', params: {}, requestedBy: 'test' });
  expect(await q('select status, error from platform.jobs order by created_at')).toMatchObject([
    { status: 'succeeded' },
    { status: 'succeeded' },
    { status: 'succeeded' },
  ]);
});
