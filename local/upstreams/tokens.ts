/** ERC-20 tokens of the stand-ins for chains. */
import { createHash } from 'node:crypto';
import { addressAt, selectors, word } from './abi.ts';
import type { Market } from './market.ts';

export interface Token {
  decimals: number;
  /** What an account held from which block on, in order; the latest last. */
  balances: Map<string, [fromBlock: bigint, balance: bigint][]>;
  /** The balance of accounts that are not listed. */
  otherwise(account: string, block: bigint): bigint;
  /** Whether calls about an account revert. */
  reverts?(account: string): boolean;
}

/** The tokens of a market on one chain. Accounts hold some of them, and what they hold changes every day. */
export function createTokens(chain: string, { assets }: Market): Map<string, Token> {
  const onChain = assets.filter(({ contracts }) => contracts[chain]);
  return new Map(
    onChain.map(({ contracts, decimals, usd }) => {
      const otherwise = (account: string) => holdingOf(`${contracts[chain]}:${account}`, decimals, usd);
      return [contracts[chain]!, { decimals, balances: new Map(), otherwise }];
    }),
  );
}

const dayMs = 86_400_000;

/** Worth up to $ 20,000, of about half of the tokens. */
function holdingOf(name: string, decimals: number, usd: number): bigint {
  const share = (text: string) => createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
  if (share(name) < 0.5) return 0n;
  const drift = 0.9 + 0.2 * share(`${name}:${Math.floor(Date.now() / dayMs)}`);
  const amount = ((share(name) - 0.5) * 40_000 * drift) / usd;
  const digits = Math.min(decimals, 8);
  return BigInt(Math.floor(amount * 10 ** digits)) * 10n ** BigInt(decimals - digits);
}

/** Creates a token of which nobody holds anything. */
export function createToken(decimals: number): Token {
  return { decimals, balances: new Map(), otherwise: () => 0n };
}

/** Sets what an account holds, from a block on. */
export function setBalance(token: Token, account: string, fromBlock: bigint, balance: bigint): void {
  token.balances.set(account, [...(token.balances.get(account) ?? []), [fromBlock, balance]]);
}

/** What a call returns; undefined if it reverts. */
export function callToken(token: Token, selector: string, args: string, block: bigint): string | undefined {
  if (selector === selectors.decimals) return word(token.decimals);
  if (selector !== selectors.balanceOf) return undefined;
  const account = addressAt(args, 0);
  if (token.reverts?.(account)) return undefined;
  const known = token.balances.get(account)?.findLast(([from]) => from <= block);
  return word(known ? known[1] : token.otherwise(account, block));
}
