/** Reads the locks of accounts from the escrows of veAERO (on Base) and veCRV (on Ethereum), at one block. */
import { veAero, veCrv } from './abis.ts';
import type { Block, Call, CallResult, Chain, ChainName } from './chain.ts';

/** A lock in its escrow. Amounts are in the token's smallest unit. */
export interface EscrowLock {
  id: string;
  /** `0x…`, lower case; null: it was burned. */
  owner: string | null;
  amount: bigint;
  /** Seconds since 1970; null: permanent. */
  endSeconds: bigint | null;
  votingPower: bigint;
}

/** Locks, and what could not be read: an account, or the id of a lock. */
export interface Locks {
  locks: EscrowLock[];
  failures: { unit: string; reason: string }[];
}

export interface EscrowDeclaration {
  protocol: string;
  chain: ChainName;
  token: { address: string; symbol: string };
  /** Of the token, the amounts, and the votes. */
  decimals: number;
  /**
   * The locks of accounts, and those with the given ids, which these accounts had: they may have been merged, withdrawn, or
   * transferred.
   */
  read(chain: Chain, block: Block, accounts: readonly string[], heldIds: readonly string[]): Promise<Locks>;
}

const veAeroAddress = '0xebf418fe2512e7e6bd9b87a8f0f294acdc67e6b4';
const veCrvAddress = '0x5f3b5dfeb7b28cdbd7faba78963ee202a494e2a2';
/** An account with more is an exchange or a relay, whose locks are not its own. */
const maxLocksPerAccount = 500;

/** @source Aerodrome's VotingEscrow: balanceOf, ownerToNFTokenIdList, ownerOf, locked, balanceOfNFT */
export const veAeroEscrow: EscrowDeclaration = {
  protocol: 'veAERO',
  chain: 'base',
  token: { address: '0x940181a94a35a4569e4529a3cdfb74e38fd98631', symbol: 'AERO' },
  decimals: 18,
  async read(chain, block, accounts, heldIds) {
    const ask = caller(chain, block, { address: veAeroAddress, abi: veAero });
    const counts = await ask(accounts, (account) => ['balanceOf', account]);
    const tooMany = counts.found.filter(([, count]) => Number(count) > maxLocksPerAccount);
    const places = counts.found.flatMap(([account, count]) =>
      Number(count) > maxLocksPerAccount
        ? []
        : Array.from({ length: Number(count) }, (_, index) => ({ account, index, toString: () => account })),
    );
    const listed = await ask(places, ({ account, index }) => ['ownerToNFTokenIdList', account, BigInt(index)]);
    const owners = new Map(listed.found.map(([{ account }, id]) => [String(id), account]));
    const missing = heldIds.filter((id) => !owners.has(id));
    // a burned one has no owner, so that the call fails; but a call can fail for other reasons
    const moved = await ask(missing, (id) => ['ownerOf', BigInt(id)]);
    const ownerless = await ask(
      moved.failures.map(({ unit }) => unit),
      (id) => ['locked', BigInt(id)],
    );
    const burned = ownerless.found.flatMap(([id, found]) =>
      (found as [bigint])[0] === 0n ? [{ ...nothing, id }] : [],
    );
    const isBurned = new Set(burned.map(({ id }) => id));
    for (const [id, owner] of moved.found) owners.set(id, (owner as string).toLowerCase());
    const ids = [...owners.keys()];
    const locked = await ask(ids, (id) => ['locked', BigInt(id)]);
    const powers = await ask(ids, (id) => ['balanceOfNFT', BigInt(id)]);
    const powerOf = new Map(powers.found);
    const locks = locked.found.flatMap(([id, found]): EscrowLock[] => {
      const [amount, end, isPermanent] = found as [bigint, bigint, boolean];
      const endSeconds = isPermanent || end === 0n ? null : end;
      const votingPower = powerOf.get(id) as bigint | undefined;
      return votingPower === undefined ? [] : [{ id, owner: owners.get(id)!, amount, endSeconds, votingPower }];
    });
    const limited = tooMany.map(([unit, count]) => ({
      unit,
      reason: `${count} locks are more than ${maxLocksPerAccount}.`,
    }));
    const unowned = moved.failures.filter(({ unit }) => !isBurned.has(unit));
    const failures = [counts, listed, locked, powers].flatMap((answers) => answers.failures).concat(unowned);
    return { locks: [...locks, ...burned], failures: [...failures, ...limited] };
  },
};

/** @source Curve's VotingEscrow: locked, balanceOf */
export const veCrvEscrow: EscrowDeclaration = {
  protocol: 'veCRV',
  chain: 'ethereum',
  token: { address: '0xd533a949740bb3306d119cc777fa900ba034cd52', symbol: 'CRV' },
  decimals: 18,
  async read(chain, block, accounts, heldIds) {
    const ask = caller(chain, block, { address: veCrvAddress, abi: veCrv });
    const locked = await ask(accounts, (account) => ['locked', account]);
    const powers = await ask(accounts, (account) => ['balanceOf', account]);
    const powerOf = new Map(powers.found);
    const held = new Set(heldIds);
    const locks = locked.found.flatMap(([account, found]): EscrowLock[] => {
      const [amount, end] = found as [bigint, bigint];
      const votingPower = powerOf.get(account) as bigint | undefined;
      // who never had one has no lock of nothing
      if (votingPower === undefined || (amount === 0n && !held.has(account))) return [];
      return [{ id: account, owner: account, amount, endSeconds: end === 0n ? null : end, votingPower }];
    });
    return { locks, failures: [...locked.failures, ...powers.failures] };
  },
};

const nothing = { owner: null, amount: 0n, endSeconds: null, votingPower: 0n };

interface Answers<Subject> {
  found: [Subject, unknown][];
  failures: { unit: string; reason: string }[];
}

/** Asks the same function about many subjects. */
function caller(chain: Chain, block: Block, contract: Pick<Call, 'address' | 'abi'>) {
  return async <Subject extends { toString(): string }>(
    subjects: readonly Subject[],
    toCall: (subject: Subject) => [functionName: string, ...args: unknown[]],
  ): Promise<Answers<Subject>> => {
    const calls = subjects.map((subject): Call => {
      const [functionName, ...args] = toCall(subject);
      return { ...contract, functionName, args };
    });
    const results: CallResult[] = calls.length === 0 ? [] : await chain.callAt(block, calls);
    const answers: Answers<Subject> = { found: [], failures: [] };
    for (const [i, result] of results.entries()) {
      const subject = subjects[i]!;
      if ('value' in result) answers.found.push([subject, result.value]);
      else answers.failures.push({ unit: subject.toString(), reason: result.failed });
    }
    return answers;
  };
}
