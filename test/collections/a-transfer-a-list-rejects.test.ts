/** A transfer that is malformed beside a list of owners counts once when it arrives. */
import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy, toActivity } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { mine } from '../../local/upstreams/world.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { createCollection, createEmptyWorld } from '../support/small-chain.ts';
import { hash, wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';
import { deliver } from '../support/webhooks.ts';

const world = createEmptyWorld();
const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world, pageSize: 1_000 });
const proxy = await startUpstreamProxy(alchemy.url);
const { call, runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: proxy.url });
afterAll(() => Promise.all([alchemy.stop(), proxy.stop()]));
declaredAlchemy.requestsPerSecond = 1_000;
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

const shared = createCollection('ERC1155', 250);
world.collections.push(shared);
let serial = 0;
for (let tokenId = 0; tokenId < 250; tokenId++)
  mine(world, [
    {
      ...{
        logIndex: 1,
        hash: hash(++serial),
        contract: shared.address,
        tokenType: 'ERC1155',
        from: zeroAddress,
        to: wallet(1),
      },
      tokens: [{ tokenId: String(tokenId), amount: 10n }],
    },
  ]);
for (let i = 0; i < 100; i++) mine(world, []);

test('a transfer that a list rejects, and whose webhook comes later, counts once', async () => {
  const { address } = shared;
  await runMessage({ job: 'collections.loadCollection', params: { address }, requestedBy: 'test' });
  const [moved] = mine(world, [
    {
      ...{ logIndex: 1, hash: hash(++serial), contract: address, tokenType: 'ERC1155', from: wallet(1), to: wallet(2) },
      tokens: [{ tokenId: '3', amount: 4n }],
    },
  ]);
  for (let i = 0; i < 5; i++) mine(world, []);
  let spoiled = 0;
  proxy.intervene = async ({ body }, pass) => {
    if (body?.method !== 'alchemy_getAssetTransfers') return undefined;
    const reply = await pass();
    for (const one of reply.json.result.transfers)
      if (one.hash === moved!.hash) {
        one.uniqueId = null;
        spoiled++;
      }
    return reply;
  };
  await q('update collections.collections set owners_verified_at = null');
  await runMessage({ job: 'collections.verifyOwnership', params: {}, requestedBy: 'test' });
  proxy.intervene = async () => undefined;
  await deliver(call, [toActivity(moved!, false)]);
  await runMessage({ job: 'collections.syncTransfers', params: {}, requestedBy: 'test' });
  const { json } = await call(`/v1/collections/${address}/nfts/3/owner`);
  const owners = json.owners.map((one: { address: string; amount: string }) => `${one.address} ${one.amount}`).sort();
  const truth = [...world.owners.get(`${address}:3`)!].map(([owner, amount]) => `${owner} ${amount}`).sort();
  expect([spoiled, owners]).toEqual([1, truth]);
});
