/** The escrows of the stand-ins for chains: veCRV on Ethereum, with a lock per account, and veAERO on Base, with NFTs. */
import { createHash } from 'node:crypto';
import { addressAt, selectors, word, wordAt } from './abi.ts';

export interface EscrowLock {
  id: bigint;
  owner: string;
  amount: bigint;
  /** Seconds since 1970; 0: permanent. */
  end: bigint;
}

export interface Escrow {
  /** Locks from a block on, in order: the last one of an id that is not ahead counts. An amount of 0 is a burned lock. */
  locks: (EscrowLock & { fromBlock: bigint })[];
  /** The locks of accounts that have none in the list. */
  otherwise(account: string): EscrowLock[];
  /** Whether each account has one lock, which is no NFT. */
  isByAccount: boolean;
}

export const escrowAddresses = {
  base: '0xebf418fe2512e7e6bd9b87a8f0f294acdc67e6b4',
  ethereum: '0x5f3b5dfeb7b28cdbd7faba78963ee202a494e2a2',
};

const weekSeconds = 604_800;

/** Creates the escrow of a chain. About half of all accounts have locks, for up to four years. */
export function createEscrow(chain: keyof typeof escrowAddresses): Escrow {
  const isByAccount = chain === 'ethereum';
  const otherwise = (owner: string): EscrowLock[] => {
    const hash = createHash('sha256').update(`${chain}:${owner}`).digest();
    const count = hash[0]! < 128 ? 0 : isByAccount ? 1 : 1 + (hash[1]! % 3);
    return Array.from({ length: count }, (_, i) => {
      const amount = BigInt(hash.readUInt32BE(4 + i)) * 10n ** 12n;
      const weeks = Math.floor(Date.now() / 1_000 / weekSeconds) + 4 + (hash[8 + i]! % 200);
      return { id: BigInt(hash.readUInt32BE(12 + i)), owner, amount, end: i === 1 ? 0n : BigInt(weeks * weekSeconds) };
    });
  };
  return { locks: [], otherwise, isByAccount };
}

/** What a call returns; undefined if it reverts. */
export function callEscrow(escrow: Escrow, selector: string, args: string, block: bigint): string | undefined {
  const now = new Map<bigint, EscrowLock>();
  for (const lock of escrow.locks) if (lock.fromBlock <= block) now.set(lock.id, lock);
  const listed = new Set(escrow.locks.map(({ owner }) => owner));
  const locksOf = (account: string) =>
    listed.has(account)
      ? [...now.values()].filter(({ owner, amount }) => owner === account && amount > 0n)
      : remembered(escrow, account);
  const account = addressAt(args, 0);
  if (escrow.isByAccount) {
    const [lock] = locksOf(account);
    if (selector === selectors.lockedOfAccount) return word(lock?.amount ?? 0n) + word(lock?.end ?? 0n);
    return selector === selectors.balanceOf ? word(lock ? powerOf(lock) : 0n) : undefined;
  }
  if (selector === selectors.balanceOf) return word(locksOf(account).length);
  if (selector === selectors.ownerToNFTokenIdList) return word(locksOf(account)[Number(wordAt(args, 1))]?.id ?? 0n);
  const id = wordAt(args, 0);
  const lock = now.get(id) ?? known.get(escrow)?.get(id);
  if (selector === selectors.ownerOf) return lock && lock.amount > 0n ? word(BigInt(lock.owner)) : undefined;
  if (selector === selectors.lockedOfNft)
    return word(lock?.amount ?? 0n) + word(lock?.end ?? 0n) + word(lock !== undefined && lock.end === 0n);
  return selector === selectors.balanceOfNft ? word(lock ? powerOf(lock) : 0n) : undefined;
}

/** The locks that `otherwise` made, because they are also asked for by their ids. */
const known = new WeakMap<Escrow, Map<bigint, EscrowLock>>();

function remembered(escrow: Escrow, account: string): EscrowLock[] {
  const locks = escrow.otherwise(account);
  const byId = known.get(escrow) ?? new Map<bigint, EscrowLock>();
  for (const lock of locks) byId.set(lock.id, lock);
  known.set(escrow, byId);
  return locks;
}

const maxSeconds = BigInt(208 * weekSeconds);

/** A lock's votes decay to none at its end. */
function powerOf({ amount, end }: EscrowLock): bigint {
  if (end === 0n) return amount;
  const left = end - BigInt(Math.floor(Date.now() / 1_000));
  return left <= 0n ? 0n : (amount * left) / maxSeconds;
}
