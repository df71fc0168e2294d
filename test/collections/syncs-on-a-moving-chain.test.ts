/** Syncs of transfers and owners go on, whatever the chain and the upstream do between their requests. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy, toActivity } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { mine, orphan, type PendingTransfer, type Transfer } from '../../local/upstreams/world.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { createCollection, createEmptyWorld } from '../support/small-chain.ts';
import { hash, wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';
import { deliver } from '../support/webhooks.ts';

const world = createEmptyWorld();
const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world, pageSize: 4 });
const proxy = await startUpstreamProxy(alchemy.url);
const { call, runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: proxy.url });
afterAll(() => Promise.all([alchemy.stop(), proxy.stop()]));
declaredAlchemy.requestsPerSecond = 1_000;

const [single, shared] = [createCollection('ERC721', 12), createCollection('ERC1155', 4)] as const;
world.collections.push(single, shared);
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const bytes = (hex: string) => Buffer.from(hex.slice(2), 'hex');

beforeEach(async () => {
  proxy.intervene = async () => undefined;
  // what was mined before is final
  for (let i = 0; i < 100; i++) mine(world, []);
  await q('truncate collections.collections, platform.quarantine, platform.checkpoints, platform.jobs cascade');
  for (const { address, tokenType } of [single, shared])
    await q(
      `insert into collections.collections (address, token_type, completeness, deployed_block) values ($1, $2, 'complete', 1)`,
      [bytes(address), tokenType],
    );
});

/** Runs a job; only its first page if it is cut. Returns its status, and the units that failed in it. */
async function run(job: string, { params = {}, isCut = false }: { params?: object; isCut?: boolean } = {}) {
  await runMessage({ job: `collections.${job}`, params, requestedBy: 'test' }, isCut ? 1 : 600_000);
  const [{ status }] = await q('select status from platform.jobs order by created_at desc, id desc limit 1');
  return [status, await q('select reason from platform.quarantine')];
}
const succeeded = ['succeeded', []];

let serial = 0;
function moveOf({ address, tokenType }: typeof single, tokenId: string, to: string, amount = 1n): PendingTransfer {
  const held = [...world.owners.get(`${address}:${tokenId}`)!].find(([, holds]) => holds >= amount)!;
  return {
    logIndex: 3,
    hash: hash(++serial),
    contract: address,
    tokenType,
    from: held[0],
    to,
    tokens: [{ tokenId, amount }],
  };
}
for (const { address, tokenType, totalSupply } of world.collections)
  for (let tokenId = 0; tokenId < totalSupply; tokenId++)
    mine(world, [
      {
        ...{ logIndex: 1, hash: hash(++serial), contract: address, tokenType, from: zeroAddress, to: wallet(1) },
        tokens: [{ tokenId: String(tokenId), amount: tokenType === 'ERC721' ? 1n : 10n }],
      },
    ]);

const isStored = async ({ hash: transaction }: Pick<Transfer, 'hash'>) =>
  (await q('select 1 from collections.transfers where transaction_hash = $1', [bytes(transaction)])).length > 0;
const ownersOf = async ({ address }: typeof single, tokenId: string) => {
  const { json } = await call(`/v1/collections/${address}/nfts/${tokenId}/owner`);
  return json.owners.map((one: { address: string; amount: string }) => `${one.address} ${one.amount}`).sort();
};
const truthOf = ({ address }: typeof single, tokenId: string) =>
  [...world.owners.get(`${address}:${tokenId}`)!].map(([owner, amount]) => `${owner} ${amount}`).sort();

test('a sync that resumes completes the range that it began with, and then goes on to the head', async () => {
  await run('syncTransfers', { isCut: true });
  const [late] = mine(world, [moveOf(single, '7', wallet(0xfeed))]);
  for (let i = 0; i < 200; i++) mine(world, []);
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await isStored(late!)).toBe(true);
  expect(await ownersOf(single, '7')).toEqual(truthOf(single, '7'));
});

test('a sync whose page key has expired starts over in the same job', async () => {
  await run('syncTransfers', { isCut: true });
  expect(
    await q(`select position->>'key' is not null as waits from platform.checkpoints where position is not null`),
  ).toEqual([{ waits: true }]);
  alchemy.expirePageKeys();
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await q('select 1 from platform.checkpoints where position is not null')).toEqual([]);
});

test('a reorg whose webhook was missed is found by the hash of its block', async () => {
  const [before] = mine(world, [moveOf(single, '8', wallet(0xfeed))]);
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await ownersOf(single, '8')).toEqual([`${wallet(0xfeed)} 1`]);
  alchemy.reorg(3);
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await isStored(before!)).toBe(false);
  expect(await ownersOf(single, '8')).toEqual(truthOf(single, '8'));
});

test('a transfer of nothing does not keep its token out of a list of owners', async () => {
  mine(world, [{ ...moveOf(shared, '1', wallet(0xfeed), 0n), logIndex: 1 }]);
  await q('update collections.collections set token_count = 1');
  expect(await run('verifyOwnership')).toEqual(succeeded);
  expect(await ownersOf(shared, '1')).toEqual(truthOf(shared, '1').filter((owned) => !owned.endsWith(' 0')));
});

test('a transfer in a block that replaced one already read is found', async () => {
  for (let i = 0; i < 3; i++) mine(world, []);
  expect(await run('syncTransfers')).toEqual(succeeded);
  orphan(world, 3);
  const [put] = mine(world, [moveOf(single, '6', wallet(0xfeed))]);
  for (let i = 0; i < 2; i++) mine(world, []);
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await isStored(put!)).toBe(true);
  expect(await ownersOf(single, '6')).toEqual(truthOf(single, '6'));
});

test('a transfer that a webhook reports before the node names its block is kept', async () => {
  const [early] = mine(world, [moveOf(single, '5', wallet(0xfeed))]);
  expect((await deliver(call, [toActivity(early!, false)])).json.applied).toBe(1);
  world.head--;
  expect(await run('syncTransfers')).toEqual(succeeded);
  world.head++;
  expect(await isStored(early!)).toBe(true);
});

/** What a request asks for in one batch, such as `finalized` and `0x3e8`. */
const blocksIn = (body: unknown): string[] =>
  Array.isArray(body) ? body.map(({ params }: { params: string[] }) => params[0]!) : [];

test('blocks that are asked for together are told apart, in whatever order the replies come', async () => {
  const mined = ['1', '2'].flatMap((tokenId) => mine(world, [moveOf(single, tokenId, wallet(0xfeed))]));
  proxy.intervene = async ({ body }, pass) => {
    if (!Array.isArray(body)) return undefined;
    const { status, json } = await pass();
    return { status, json: json.toReversed() };
  };
  expect(await run('syncTransfers')).toEqual(succeeded);
  const stored = await q(
    `select '0x' || encode(t.block_hash, 'hex') as hash
     from collections.unsettled_transfers join collections.transfers t on t.id = transfer_id order by t.block_number`,
  );
  expect(stored.map(({ hash }) => hash)).toEqual(mined.map(({ blockHash }) => blockHash));
});

test('a transfer whose block has no hash yet is not taken for final', async () => {
  const [mined] = mine(world, [moveOf(single, '11', wallet(0xfeed))]);
  mine(world, []);
  const name = `0x${mined!.block.toString(16)}`;
  let unnamed = 0;
  proxy.intervene = async ({ body }, pass) => {
    const at = blocksIn(body).indexOf(name);
    if (at === -1 || unnamed++ > 0) return undefined;
    const { status, json } = await pass();
    const { id } = body[at];
    return { status, json: json.map((one: { id: number }) => (one.id === id ? { ...one, result: null } : one)) };
  };
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect([unnamed > 1, await isStored(mined!)]).toEqual([true, true]);
  alchemy.reorg(2);
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect(await isStored(mined!)).toBe(false);
});

test('a transfer is unsettled until its block is finalized', async () => {
  const unsettled = async () => (await q('select count(*)::int as n from collections.unsettled_transfers'))[0].n;
  mine(world, [moveOf(single, '9', wallet(0xfeed))]);
  await run('syncTransfers');
  expect(await unsettled()).toBe(1);
  for (let i = 0; i < 70; i++) mine(world, []);
  await run('syncTransfers');
  expect(await unsettled()).toBe(0);
});

test('no transfer gets the hash of a block that replaced its own before the hash was read', async () => {
  const [mined] = mine(world, [moveOf(single, '10', wallet(0xfeed))]);
  let reorgs = 0;
  proxy.intervene = async ({ body }, pass) => {
    if (body?.method !== 'alchemy_getAssetTransfers') return undefined;
    const reply = await pass();
    const names = JSON.stringify(reply.json).includes(mined!.hash);
    if (names && reorgs++ === 0) alchemy.reorg(1);
    return reply;
  };
  expect(await run('syncTransfers')).toEqual(succeeded);
  expect([reorgs, await isStored(mined!)]).toEqual([1, false]);
});

test.each(['loadCollection', 'verifyOwnership'])(
  '%s: an ERC-1155 transfer between the requests for the block and the owners counts once',
  async (job) => {
    expect(await run('loadCollection', { params: { address: shared.address } })).toEqual(succeeded);
    await q('update collections.collections set owners_verified_at = null');
    let moved = false;
    proxy.intervene = async ({ path }) => {
      if (path.includes('getOwnersForContract') && path.includes(shared.address) && !moved) {
        moved = true;
        mine(world, [moveOf(shared, '3', wallet(0xfeed))]);
      }
      return undefined;
    };
    expect(await run(job, job === 'loadCollection' ? { params: { address: shared.address } } : {})).toEqual(succeeded);
    await run('syncTransfers');
    expect(moved).toBe(true);
    expect(await ownersOf(shared, '3')).toEqual(truthOf(shared, '3'));
  },
);

/** Gives tokens to so many wallets that their list has two pages, and loads the collection. */
async function loadTwoPages() {
  for (let n = 0; n < 6; n++) mine(world, [moveOf(single, String(n), wallet(n + 1))]);
  for (let i = 0; i < 100; i++) mine(world, []);
  expect(await run('loadCollection', { params: { address: single.address } })).toEqual(succeeded);
  await q('update collections.collections set owners_verified_at = null');
}

test('a page of owners that shows a block which a reorg takes back is read again', async () => {
  await loadTwoPages();
  let readings = 0;
  proxy.intervene = async ({ path }, pass) => {
    if (!path.includes('getOwnersForContract') || readings++ > 0) return undefined;
    mine(world, [moveOf(single, '0', wallet(2))]);
    const reply = await pass();
    alchemy.reorg(1);
    return reply;
  };
  expect(await run('verifyOwnership')).toEqual(succeeded);
  expect(readings).toBe(3);
  expect(await ownersOf(single, '0')).toEqual(truthOf(single, '0'));
});

test('a list of owners starts over if a reorg replaced the head of one of its pages', async () => {
  await loadTwoPages();
  const [moved] = mine(world, [moveOf(single, '0', wallet(2))]);
  await run('verifyOwnership', { isCut: true });
  alchemy.reorg(1);
  await deliver(call, [toActivity(moved!, true)]);
  expect(await run('verifyOwnership')).toEqual(succeeded);
  expect(await ownersOf(single, '0')).toEqual(truthOf(single, '0'));
});

test('a list of owners starts over if a reorg replaced the head of its last page', async () => {
  await loadTwoPages();
  const [moved] = mine(world, [moveOf(single, '0', wallet(2))]);
  let [isRead, isReplaced] = [false, false];
  proxy.intervene = async ({ body }) => {
    const names = blocksIn(body);
    // the blocks that a page is compared with after it was read
    if (names[1] === 'latest') isRead = names[0] !== 'finalized';
    if (!isRead || names.length !== 1 || isReplaced) return undefined;
    isReplaced = true;
    alchemy.reorg(1);
    await deliver(call, [toActivity(moved!, true)]);
    return undefined;
  };
  expect(await run('verifyOwnership')).toEqual(succeeded);
  expect(isReplaced).toBe(true);
  expect(await ownersOf(single, '0')).toEqual(truthOf(single, '0'));
});

test('an ERC-1155 transfer in a block that upstream lists before its node names it counts once', async () => {
  const params = { address: shared.address };
  await run('loadCollection', { params });
  await q('update collections.collections set owners_verified_at = null');
  const [moved] = mine(world, [moveOf(shared, '2', wallet(0xfeed))]);
  world.head--;
  expect(await run('loadCollection', { params })).toEqual(succeeded);
  world.head++;
  expect((await deliver(call, [toActivity(moved!, false)])).json.applied).toBe(1);
  expect(await ownersOf(shared, '2')).toEqual(truthOf(shared, '2'));
});
