/** A page of transfers that is too large is asked for in smaller ones. */
import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { createCollections } from '../support/collections.ts';
import { createEmptyWorld } from '../support/small-chain.ts';
import { hash, wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';

const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world: createEmptyWorld() });
const chain = await startUpstreamProxy(alchemy.url);
const { runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: chain.url });
afterAll(() => Promise.all([chain, alchemy].map((server) => server.stop())));
declaredAlchemy.requestsPerSecond = 1_000;
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

/** What anyone may emit of any OpenZeppelin ERC-1155 contract within one transaction: 3,500 ids, nothing of each. */
const batchOf = (n: number) => ({
  blockNum: '0x10',
  uniqueId: `${hash(n)}:log:1`,
  hash: hash(n),
  from: wallet(1),
  to: wallet(2),
  erc1155Metadata: Array.from({ length: 3_500 }, (_, i) => ({ tokenId: hash(2 ** 50 + i), value: '0x0' })),
  metadata: { blockTimestamp: '2026-01-01T00:00:00Z' },
});
const batches = 70;

test('70 batch transfers of nothing do not keep a collection from being synced for ever', async () => {
  const address = wallet(0x900d);
  await q(
    `insert into collections.collections (address, token_type, completeness, deployed_block) values ($1, 'ERC1155', 'complete', 1)`,
    [Buffer.from(address.slice(2), 'hex')],
  );
  chain.intervene = async ({ body }) => {
    if (body?.method !== 'alchemy_getAssetTransfers') return undefined;
    const { maxCount, pageKey = '0' } = body.params[0];
    const [from, to] = [Number(pageKey), Math.min(batches, Number(pageKey) + Number(maxCount))];
    const transfers = Array.from({ length: to - from }, (_, i) => batchOf(from + i));
    return {
      status: 200,
      json: { jsonrpc: '2.0', id: 1, result: { transfers, ...(to < batches ? { pageKey: String(to) } : {}) } },
    };
  };
  for (let i = 0; i < 3; i++) {
    await runMessage({ job: 'collections.syncTransfers', params: {}, requestedBy: 'test' });
    await q('update platform.quarantine set retry_at = now()');
  }
  expect(await q('select unit, reason, attempts from platform.quarantine')).toEqual([]);
  expect(await q('select transfers_synced_at is not null as synced from collections.collections')).toEqual([
    { synced: true },
  ]);
});
