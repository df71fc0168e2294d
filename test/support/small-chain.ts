/** A chain with nothing on it but what a test puts there. */
import type { Collection, World } from '../../local/upstreams/world.ts';
import { wallet } from './transfers.ts';

export function createEmptyWorld(): World {
  return {
    collections: [],
    wallets: [],
    users: [],
    transfers: [],
    head: 1_000,
    finalized: 936,
    hashes: new Map(),
    owners: new Map(),
  };
}

let contracts = 0;

/** A collection without transfers. Its tokens are numbered from 0. */
export function createCollection(tokenType: Collection['tokenType'], totalSupply: number): Collection {
  const address = wallet(0xc0_0000 + ++contracts);
  return {
    address,
    tokenType,
    name: address,
    symbol: 'SMALL',
    description: '',
    totalSupply,
    floorPrice: 0,
    deployer: wallet(1),
    deployedBlock: 1,
    traits: Array.from({ length: totalSupply }, () => []),
  };
}
