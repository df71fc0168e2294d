/**
 * Whatever happens to the chain and to its reports, one sync on a chain that stands still comes to the owners of the
 * canonical chain. The chain moves between the requests of syncs and lists too.
 */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy, toActivity } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { type Collection, mine, orphan, type PendingTransfer } from '../../local/upstreams/world.ts';
import { zeroAddress as zero } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { createCollection, createEmptyWorld } from '../support/small-chain.ts';
import { wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';
import { deliver as sendWebhook } from '../support/webhooks.ts';

const world = createEmptyWorld();
const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world, pageSize: 2 });
const proxy = await startUpstreamProxy(alchemy.url);
const { call, runMessage, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: proxy.url });
afterAll(() => Promise.all([alchemy.stop(), proxy.stop()]));
declaredAlchemy.requestsPerSecond = 10_000;

const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const bytes = (address: string) => Buffer.from(address.slice(2), 'hex');
const wallets = [1, 2, 3, 4].map(wallet);
const tokenIds = ['0', '1', '2'];

let serial = 0;
let clock = 0;
const now = () => (clock = Math.max(Date.now(), clock + 1));

/** A webhook that is under way: a block's transfers, or those that a reorg removed. */
interface Report {
  createdAt: Date;
  activity: unknown[];
}
let underWay: Report[] = [];
const report = (transfers: Parameters<typeof toActivity>[0][], removed: boolean) =>
  transfers.length > 0 &&
  underWay.push({ createdAt: new Date(now()), activity: transfers.map((one) => toActivity(one, removed)) });

/** A source of choices that shrinks with the numbers it is made of. */
function createChoices(numbers: readonly number[]) {
  let used = 0;
  const next = () => numbers[used++ % numbers.length]! + used;
  return {
    below: (limit: number) => next() % limit,
    oneOf: <T>(all: readonly T[]): T => all[next() % all.length]!,
  };
}
type Choices = ReturnType<typeof createChoices>;

const balance = (contract: string, tokenId: string, holder: string) =>
  world.owners.get(`${contract}:${tokenId}`)?.get(holder) ?? 0n;
const holders = (contract: string, tokenId: string) => [...(world.owners.get(`${contract}:${tokenId}`)?.keys() ?? [])];

/** A legal transfer on the chain as it is: a mint, a burn, a batch, one of nothing, or one to oneself. */
function pendingTransfer(choose: Choices): PendingTransfer {
  const { address: contract, tokenType } = choose.oneOf(world.collections);
  const tokenId = choose.oneOf(tokenIds);
  const common = {
    hash: `0x${(++serial).toString(16).padStart(64, '0')}`,
    logIndex: choose.below(9),
    contract,
    tokenType,
  };
  const owners = holders(contract, tokenId);
  const mints = owners.length === 0 || (tokenType === 'ERC1155' && choose.below(3) === 0);
  const from = mints ? zero : choose.oneOf(owners);
  const to = mints ? choose.oneOf(wallets) : choose.oneOf([...wallets, zero]);
  if (tokenType === 'ERC721') return { ...common, from, to, tokens: [{ tokenId, amount: 1n }] };
  const amountOf = (id: string) =>
    mints ? BigInt(choose.below(4)) : balance(contract, id, from) / BigInt(1 + choose.below(3));
  const ids = choose.below(3) === 0 ? tokenIds : [tokenId];
  return { ...common, from, to, tokens: ids.map((id) => ({ tokenId: id, amount: amountOf(id) })) };
}

const isLegal = ({ contract, tokenType, from, tokens }: PendingTransfer) =>
  tokens.every(({ tokenId, amount }) =>
    from === zero
      ? tokenType === 'ERC1155' || holders(contract, tokenId).length === 0
      : balance(contract, tokenId, from) >= amount,
  );

const mineOne = (choose: Choices) => report(mine(world, [pendingTransfer(choose)]), false);

/** Replaces 1 to 6 blocks. Most of their transactions are mined again, in other blocks and at other places. */
function reorg(choose: Choices) {
  const blocks = 1 + choose.below(6);
  const orphaned = orphan(world, blocks);
  report(orphaned, true);
  const again = orphaned.reverse().filter(() => choose.below(4) > 0);
  for (let i = 0; i < blocks + choose.below(2); i++) {
    const [one] = choose.below(2) === 0 ? again.splice(0, 1) : [];
    report(mine(world, one && isLegal(one) ? [{ ...one, logIndex: choose.below(9) }] : []), false);
  }
}

/** Delivers a webhook in any order, now and then for a second time later, or not at all. */
async function deliver(choose: Choices) {
  const at = choose.below(underWay.length || 1);
  const one = underWay[at];
  if (!one) return;
  if (choose.below(4) > 0) underWay.splice(at, 1);
  if (choose.below(4) === 0) return;
  const { status } = await sendWebhook(call, one.activity, one.createdAt);
  expect(status).toBe(200);
}

function finalize() {
  while (world.finalized < world.head - 64 || world.finalized < (world.transfers.at(-1)?.block ?? 0)) mine(world, []);
}

const moves = { mineOne, reorg, deliver, finalize, expire: () => alchemy.expirePageKeys(), nothing: () => {} };
type Move = { kind: keyof typeof moves; numbers: number[] };
const perform = ({ kind, numbers }: Move) => moves[kind](createChoices(numbers));

/** Runs a job while the chain moves before its requests, as far as its deadline lets it: one page, or all of them. */
async function run(job: 'syncTransfers' | 'verifyOwnership', isCut: boolean, meanwhile: readonly Move[]) {
  const left = [...meanwhile];
  proxy.intervene = async () => {
    const move = left.shift();
    if (move) await perform(move);
    return undefined;
  };
  await q('update collections.collections set owners_verified_at = null');
  await runMessage({ job: `collections.${job}`, params: {}, requestedBy: 'test' }, isCut ? 1 : 600_000);
  proxy.intervene = async () => undefined;
  // what failed is tried again at once
  await q('update platform.jobs set lease_until = null');
  await q('delete from platform.quarantine');
}

/** Owners by token and holdings by wallet, from the transfers of the canonical chain. */
function modelOf({ address }: Collection) {
  const owned = new Map<string, bigint>();
  const add = (tokenId: string, holder: string, amount: bigint) => {
    const key = `${tokenId} ${holder}`;
    if (holder !== zero) owned.set(key, (owned.get(key) ?? 0n) + amount);
  };
  for (const { from, to, tokens } of world.transfers.filter(({ contract }) => contract === address)) {
    for (const { tokenId, amount } of tokens) {
      add(tokenId, from, -amount);
      add(tokenId, to, amount);
    }
  }
  const owners = [...owned]
    .filter(([, amount]) => amount > 0n)
    .map(([key, amount]) => `${key} ${amount}`)
    .sort();
  const holdings = wallets.flatMap((holder) => {
    const amounts = tokenIds.map((tokenId) => owned.get(`${tokenId} ${holder}`) ?? 0n).filter((amount) => amount > 0n);
    return amounts.length === 0 ? [] : [`${holder} ${amounts.length} ${amounts.reduce((a, b) => a + b)}`];
  });
  return { owners, holdings };
}

async function storedOf({ address }: Collection) {
  const owners: string[] = [];
  for (const tokenId of tokenIds) {
    const { status, json } = await call(`/v1/collections/${address}/nfts/${tokenId}/owner`);
    if (status === 200)
      owners.push(
        ...json.owners.map((one: { address: string; amount: string }) => `${tokenId} ${one.address} ${one.amount}`),
      );
  }
  const holdings = await q(
    `select '0x' || encode(u.user_address, 'hex') || ' ' || u.token_count || ' ' || u.amount as held
     from collections.user_collections u join collections.collections c on c.id = u.collection_id
     where c.address = $1 order by u.user_address`,
    [bytes(address)],
  );
  return { owners: owners.sort(), holdings: holdings.map(({ held }) => held) };
}

async function startHistory() {
  await q(`update collections.collections set completeness = 'metadata', deployed_block = null`);
  await q('delete from collections.unsettled_transfers');
  underWay = [];
  world.collections = [createCollection('ERC721', tokenIds.length), createCollection('ERC1155', tokenIds.length)];
  for (const { address, tokenType } of world.collections)
    await q(
      `insert into collections.collections (address, token_type, completeness, deployed_block) values ($1, $2, 'complete', 1)`,
      [bytes(address), tokenType],
    );
}

const numbers = fc.array(fc.nat(10_000), { minLength: 4, maxLength: 4 });
const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom<Move['kind']>(
    'mineOne',
    'mineOne',
    'reorg',
    'deliver',
    'deliver',
    'expire',
    'nothing',
    'nothing',
  ),
  numbers,
});
const meanwhile = fc.array(move, { maxLength: 8 });
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('mineOne' as const), numbers }) },
  { weight: 4, arbitrary: move },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finalize' as const), numbers }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const), isCut: fc.boolean(), meanwhile }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('list' as const), isCut: fc.boolean(), meanwhile }) },
);
const history = fc.record({
  lists: fc.boolean(),
  actions: fc.array(action, { minLength: 6, maxLength: 16, size: 'max' }),
});

/** A slow machine tries fewer histories. fast-check's own limit would leave one running. */
const triesForMs = 25_000;

test('owners and holdings come to those of the canonical chain', { timeout: 60_000 }, async () => {
  const until = Date.now() + triesForMs;
  await fc.assert(
    fc.asyncProperty(history, async ({ lists, actions }) => {
      if (Date.now() > until) return;
      await startHistory();
      for (const one of actions) {
        if (one.kind === 'sync') await run('syncTransfers', one.isCut, one.meanwhile);
        else if (one.kind === 'list') lists && (await run('verifyOwnership', one.isCut, one.meanwhile));
        else await perform(one);
      }
      for (let i = 0; i < 8; i++) mine(world, []);
      await run('syncTransfers', false, []);
      for (const collection of world.collections) expect(await storedOf(collection)).toEqual(modelOf(collection));
    }),
    { numRuns: 30 },
  );
});
