/**
 * The world that the stand-ins show: collections, tokens, wallets, users and two years of transfers, the same for the
 * same seed. Owners follow from the transfers, as on a chain; later transfers are added block by block.
 */
import { createHash } from 'node:crypto';

export interface Trait {
  trait_type: string;
  value: string;
}

export interface Transfer {
  block: number;
  /** Of transfers made after the history. */
  blockHash?: string;
  logIndex: number;
  hash: string;
  contract: string;
  tokenType: Collection['tokenType'];
  from: string;
  to: string;
  /** One token for ERC-721; several with amounts for an ERC-1155 batch. */
  tokens: { tokenId: string; amount: bigint }[];
}

export interface Collection {
  address: string;
  name: string;
  symbol: string;
  tokenType: 'ERC721' | 'ERC1155';
  description: string;
  totalSupply: number;
  floorPrice: number;
  deployer: string;
  deployedBlock: number;
  /** Traits of each token, by its id. */
  traits: Trait[][];
}

export interface User {
  fid: number;
  username: string;
  displayName: string;
  wallets: string[];
}

export interface World {
  collections: Collection[];
  wallets: string[];
  users: User[];
  transfers: Transfer[];
  head: number;
  /** The last block that no reorg replaces. */
  finalized: number;
  /** The hashes of the blocks made after the history. */
  hashes: Map<number, string>;
  /** Owner → amount, for each token of each contract: `0x…:12`. */
  owners: Map<string, Map<string, bigint>>;
}

/** The world of `npm start`. */
export const worldSeed = 7;

const zero = `0x${'0'.repeat(40)}`;
const firstBlock = 17_000_000;
const blocksOfHistory = 5_256_000;
/** How far the last finalized block is behind the head. */
const blocksToFinality = 64;

const catalogue: [name: string, symbol: string, type: Collection['tokenType'], size: number, words: string[]][] = [
  ['Harbour Lights', 'HRBR', 'ERC721', 5_000, ['Fog', 'Lantern', 'Keeper', 'Tide']],
  ['Paper Foxes', 'PFOX', 'ERC721', 4_000, ['Fold', 'Ink', 'Paper', 'Pose']],
  ['Orbital Gardens', 'ORBG', 'ERC721', 6_000, ['Star', 'Flower', 'Dome', 'Season']],
  ['Quiet Machines', 'QMCH', 'ERC721', 3_000, ['Gear', 'Casing', 'Dial', 'Hum']],
  ['Salt & Smoke', 'SALT', 'ERC721', 2_000, ['Vessel', 'Glaze', 'Flame', 'Mark']],
  ['Festival Passes', 'PASS', 'ERC1155', 40, ['Day', 'Stage', 'Colour', 'Access']],
];

const values = ['Amber', 'Cobalt', 'Moss', 'Ivory', 'Rust', 'Violet', 'Ash', 'Coral', 'Onyx', 'Gold'];

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const addressOf = (text: string) => `0x${digest(text).slice(0, 40)}`;

/** The wallets of a seed, and the users who have them. */
export function createPeople(seed: number): Pick<World, 'wallets' | 'users'> {
  const wallets = Array.from({ length: 3_000 }, (_, i) => addressOf(`${seed} wallet ${i}`));
  return { wallets, users: createUsers(wallets, createRandom(seed)) };
}

/** The world of a seed. */
export function createWorld(seed: number): World {
  const random = createRandom(seed);
  const { wallets, users } = createPeople(seed);
  const collections = catalogue.map(([name, symbol, tokenType, totalSupply, words], i) => {
    const types = words.map((word, at) => ({ word, options: values.slice(0, 4 + at * 2) }));
    const traits = Array.from({ length: totalSupply }, () =>
      types.map(({ word, options }) => ({ trait_type: word, value: skewed(options, random) })),
    );
    const description = `${name}: ${totalSupply.toLocaleString('en')} pieces about ${words.join(', ').toLowerCase()}.`;
    const address = addressOf(`${seed} collection ${i}`);
    return {
      address,
      name,
      symbol,
      tokenType,
      description,
      totalSupply,
      floorPrice: Math.round(random() * 400) / 100,
      deployer: wallets[i]!,
      deployedBlock: firstBlock + i * 1_000,
      traits,
    };
  });
  const world: World = {
    collections,
    wallets,
    users,
    transfers: [],
    head: firstBlock + blocksOfHistory,
    finalized: firstBlock + blocksOfHistory - blocksToFinality,
    hashes: new Map(),
    owners: new Map(),
  };
  for (const collection of collections) writeHistory(world, collection, random);
  world.transfers.sort((a, b) => a.block - b.block || a.logIndex - b.logIndex);
  for (const transfer of world.transfers) apply(world, transfer, 1n);
  return world;
}

/** The first options are common, the last are rare. */
function skewed(options: string[], random: () => number): string {
  return options[Math.floor(random() ** 2.2 * options.length)]!;
}

function createUsers(wallets: string[], random: () => number): User[] {
  const users: User[] = [];
  for (let at = 0; at < wallets.length / 2; ) {
    const count = 1 + Math.floor(random() * 3);
    const fid = 1_000 + users.length;
    users.push({
      fid,
      username: `user${fid}`,
      displayName: `${values[fid % values.length]} ${fid}`,
      wallets: wallets.slice(at, at + count),
    });
    at += count;
  }
  return users;
}

/** A few wallets hold much, most hold little. */
export function pickWallet(world: Pick<World, 'wallets'>, random: () => number): string {
  return world.wallets[Math.floor(random() ** 3 * world.wallets.length)]!;
}

function writeHistory(
  world: World,
  { address, tokenType, totalSupply, deployedBlock }: Collection,
  random: () => number,
): void {
  const span = world.head - deployedBlock;
  const at = (share: number) => deployedBlock + 1 + Math.floor(share * (span - 2));
  for (let tokenId = 0; tokenId < totalSupply; tokenId++) {
    if (tokenType === 'ERC1155') {
      for (let i = 0; i < 60; i++)
        world.transfers.push(
          transferOf(
            world,
            address,
            tokenType,
            at(random() * 0.5),
            zero,
            pickWallet(world, random),
            tokenId,
            BigInt(1 + Math.floor(random() * 20)),
          ),
        );
      continue;
    }
    let owner = pickWallet(world, random);
    let when = random() * 0.2;
    world.transfers.push(transferOf(world, address, tokenType, at(when), zero, owner, tokenId, 1n));
    for (let sales = Math.floor(random() ** 2 * 4); sales > 0; sales--) {
      const buyer = pickWallet(world, random);
      when += (1 - when) * random();
      world.transfers.push(transferOf(world, address, tokenType, at(when), owner, buyer, tokenId, 1n));
      owner = buyer;
    }
  }
}

function transferOf(
  world: World,
  contract: string,
  tokenType: Collection['tokenType'],
  block: number,
  from: string,
  to: string,
  tokenId: number,
  amount: bigint,
): Transfer {
  const number = world.transfers.length;
  return {
    block,
    logIndex: number % 400,
    hash: `0x${digest(`${contract} ${number}`)}`,
    contract,
    tokenType,
    from,
    to,
    tokens: [{ tokenId: String(tokenId), amount }],
  };
}

/** Applies a transfer (`sign` 1) or reverts it (-1). */
export function apply({ owners }: World, { contract, from, to, tokens }: Transfer, sign: 1n | -1n): void {
  for (const { tokenId, amount } of tokens) {
    const key = `${contract}:${tokenId}`;
    const held = owners.get(key) ?? new Map<string, bigint>();
    owners.set(key, held);
    for (const [wallet, delta] of [
      [from, -amount],
      [to, amount],
    ] as const) {
      if (wallet === zero) continue;
      const now = (held.get(wallet) ?? 0n) + delta * sign;
      if (now === 0n) held.delete(wallet);
      else held.set(wallet, now);
    }
  }
}

/** A transfer before it is in a block. */
export type PendingTransfer = Omit<Transfer, 'block' | 'blockHash'>;

/** A transfer of a token from its holder to another wallet. */
export function nextTransfer(world: World, random: () => number): PendingTransfer {
  const { address, tokenType, totalSupply } = world.collections[Math.floor(random() * world.collections.length)]!;
  const tokenId = String(Math.floor(random() * totalSupply));
  const holders = [...(world.owners.get(`${address}:${tokenId}`) ?? new Map<string, bigint>())].filter(
    ([, amount]) => amount > 0n,
  );
  const from = holders[Math.floor(random() * holders.length)]?.[0] ?? zero;
  let to = pickWallet(world, random);
  while (to === from) to = pickWallet(world, random);
  const hash = `0x${digest(`${world.head} ${address} ${tokenId} ${random()}`)}`;
  return { logIndex: 0, hash, contract: address, tokenType, from, to, tokens: [{ tokenId, amount: 1n }] };
}

let blocksMade = 0;

/** Adds a block with these transfers to the chain. */
export function mine(world: World, pending: readonly PendingTransfer[]): Transfer[] {
  const block = ++world.head;
  const blockHash = `0x${digest(`block ${block} ${++blocksMade} ${process.pid}`)}`;
  world.hashes.set(block, blockHash);
  world.finalized = Math.max(world.finalized, block - blocksToFinality);
  const transfers = pending.map((one) => ({ ...one, block, blockHash }));
  for (const one of transfers) addTransfer(world, one);
  return transfers;
}

/** Adds a transfer that is in a block. */
export function addTransfer(world: World, transfer: Transfer): void {
  world.transfers.push(transfer);
  apply(world, transfer, 1n);
}

/** Takes the last blocks from the chain, as a reorg does before others follow. Returns their transfers, the last first. */
export function orphan(world: World, blocks: number): Transfer[] {
  const orphaned: Transfer[] = [];
  world.head -= blocks;
  while ((world.transfers.at(-1)?.block ?? 0) > world.head) {
    const transfer = world.transfers.pop()!;
    apply(world, transfer, -1n);
    orphaned.push(transfer);
  }
  return orphaned;
}

/** The hash of a block of the chain. */
export function hashOf(world: Pick<World, 'hashes'>, block: number): string {
  return world.hashes.get(block) ?? `0x${digest(`block ${block}`)}`;
}

/** The time of a block: one every twelve seconds from May 1, 2023. */
export function timeOf(block: number): string {
  return new Date(Date.UTC(2023, 4, 1) + (block - firstBlock) * 12_000).toISOString();
}
