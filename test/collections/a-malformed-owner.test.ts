/** What a list of owners says illegibly is not taken for gone. */
import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { mine } from '../../local/upstreams/world.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { createCollection, createEmptyWorld } from '../support/small-chain.ts';
import { hash, wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';

const world = createEmptyWorld();
const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world, pageSize: 1_000 });
const proxy = await startUpstreamProxy(alchemy.url);
const { call, runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: proxy.url });
afterAll(() => Promise.all([alchemy.stop(), proxy.stop()]));
declaredAlchemy.requestsPerSecond = 1_000;
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

const kinds = [createCollection('ERC721', 250), createCollection('ERC1155', 250)] as const;
let serial = 0;
for (const { address, tokenType, totalSupply } of kinds)
  for (let tokenId = 0; tokenId < totalSupply; tokenId++)
    mine(world, [
      {
        ...{ logIndex: 1, hash: hash(++serial), contract: address, tokenType, from: zeroAddress },
        // the first wallet has a fifth of all
        to: wallet(tokenId % 5 === 0 ? 1 : tokenId + 1),
        tokens: [{ tokenId: String(tokenId), amount: 1n }],
      },
    ]);
world.collections.push(...kinds);
for (let i = 0; i < 100; i++) mine(world, []);

test.each(kinds)(
  'one illegible balance does not take all its tokens from a holder ($tokenType)',
  async ({ address }) => {
    await runMessage({ job: 'collections.loadCollection', params: { address }, requestedBy: 'test' });
    const held = async () =>
      (
        await q(
          `select count(*)::int as n from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
         join collections.collections c on c.id = n.collection_id where c.address = $1 and o.owner = $2`,
          [Buffer.from(address.slice(2), 'hex'), Buffer.from(wallet(1).slice(2), 'hex')],
        )
      )[0].n;
    expect(await held()).toBe(50);
    for (let i = 0; i < 100; i++) mine(world, []);
    proxy.intervene = async ({ path }, pass) => {
      if (!path.includes('getOwnersForContract')) return undefined;
      const reply = await pass();
      for (const one of reply.json.owners) if (one.ownerAddress === wallet(1)) one.tokenBalances[0].balance = '1e0';
      return reply;
    };
    await q('update collections.collections set owners_verified_at = null');
    await runMessage({ job: 'collections.verifyOwnership', params: {}, requestedBy: 'test' });
    const [job] =
      await q(`select status, rows_rejected::int from platform.jobs where job = 'collections.verifyOwnership'
    order by created_at desc limit 1`);
    const { json } = await call(`/v1/collections/${address}/nfts/5/owner`);
    proxy.intervene = async () => undefined;
    expect([job, await held(), JSON.stringify(json).includes(wallet(1))]).toEqual([expect.anything(), 50, true]);
  },
);
