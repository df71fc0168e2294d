/**
 * A stand-in for the JSON-RPC of a chain: blocks, and calls of ERC-20 tokens and of escrows of locks through Multicall3.
 * Every account holds something of some tokens. What is set here holds from the next block on, so that a call at an older
 * block still sees what was.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeAggregate3, encodeAggregate3, selectors, word } from './abi.ts';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import { startHttpServer } from './http-server.ts';
import { createMarket } from './market.ts';
import { callToken, createTokens, type Token } from './tokens.ts';
import { callEscrow, createEscrow, type Escrow, escrowAddresses } from './voting-escrow.ts';

export interface ChainStandIn {
  url: string;
  /** What its secret holds. */
  secret: { apiKey: string };
  faults: FaultSwitch;
  /** By address. Anything else is an account without code. */
  tokens: Map<string, Token>;
  locks: Escrow;
  /** The number of the latest block. */
  head(): bigint;
  /** Adds a block. */
  mine(): void;
  /** Replaces the latest blocks by others. */
  reorg(): void;
  /** Runs before each call of contracts. For what happens between two requests. */
  beforeCall: (() => void) | undefined;
  /** The methods of all requests, and the block of each call. */
  requests: { method: string; block?: string }[];
  stop(): Promise<void>;
}

export interface ChainOptions {
  chain: 'ethereum' | 'base';
  apiKey: string;
  /** Default: the tokens of the market, of which every account holds some. */
  tokens?: Map<string, Token>;
  /** Default: every account has some locks. */
  locks?: Escrow;
  /** Whether the clock mines blocks. Default: true. */
  isMining?: boolean;
}

const multicall = '0xca11bde05977b3631167028862be2a173976ca11';
const blockSeconds = { ethereum: 12, base: 2 };

/** Starts the stand-in. */
export async function startChain(options: ChainOptions): Promise<ChainStandIn> {
  const { chain, apiKey, isMining = true } = options;
  const seconds = blockSeconds[chain];
  const faults = createFaultSwitch();
  const clock = () => BigInt(Math.floor(Date.now() / 1_000 / seconds));
  let [head, fork] = [clock(), 0];
  const headNow = () => {
    if (isMining && clock() > head) head = clock();
    return head;
  };
  const forks = new Map<bigint, number>();
  const hashOf = (number: bigint) =>
    `0x${createHash('sha256')
      .update(`${chain}:${number}:${forks.get(number) ?? 0}`)
      .digest('hex')}`;

  const standIn: ChainStandIn = {
    url: '',
    secret: { apiKey },
    faults,
    tokens: options.tokens ?? createTokens(chain, createMarket()),
    locks: options.locks ?? createEscrow(chain),
    head: headNow,
    mine: () => void head++,
    reorg() {
      fork++;
      for (let i = 0n; i < 3n; i++) forks.set(head - i, fork);
    },
    beforeCall: undefined,
    requests: [],
    stop: async () => {},
  };

  /** What a contract returns; undefined if it reverts. */
  const call = (target: string, data: string, block: bigint): string | undefined => {
    const [selector, args] = [data.slice(0, 8), data.slice(8)];
    if (target === multicall && selector === selectors.getBlockNumber) return word(block);
    if (target === multicall && selector === selectors.aggregate3)
      return encodeAggregate3(decodeAggregate3(args).map((one) => call(one.target, one.data, block)));
    if (target === escrowAddresses[chain]) return callEscrow(standIn.locks, selector, args, block);
    const token = standIn.tokens.get(target);
    return token ? callToken(token, selector, args, block) : '';
  };

  const answer = (method: string, params: unknown[]): object => {
    if (method === 'eth_getBlockByNumber') {
      const number = params[0] === 'latest' ? headNow() : BigInt(params[0] as string);
      if (number > headNow()) return { result: null };
      const timestamp = `0x${(number * BigInt(seconds)).toString(16)}`;
      return { result: { number: `0x${number.toString(16)}`, hash: hashOf(number), timestamp } };
    }
    if (method !== 'eth_call') return { error: { code: -32_601, message: `the method ${method} does not exist` } };
    const [{ to, data }, name] = params as [{ to: string; data: string }, string];
    standIn.beforeCall?.();
    const block = name === 'latest' ? headNow() : BigInt(name);
    if (block > headNow()) return { error: { code: -32_000, message: 'header not found' } };
    const returned = call(to.toLowerCase(), data.slice(2), block);
    return returned === undefined ? { error: { code: 3, message: 'execution reverted' } } : { result: `0x${returned}` };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse, { pathname }: URL) => {
    if (pathname === '/__faults') {
      faults.set((await readJson(request)) as Faults | undefined);
      return respond(response, 200, {}, undefined);
    }
    if (pathname !== `/v2/${apiKey}`)
      return respond(response, 401, { error: { message: 'Must be authenticated!' } }, undefined);
    const rpc = (await readJson(request)) as { id: number; method: string; params: unknown[] };
    const block = rpc.method === 'eth_call' ? { block: rpc.params[1] as string } : {};
    standIn.requests.push({ method: rpc.method, ...block });
    const fault = faults.next();
    const body = fault?.kind === 'garbage' ? {} : answer(rpc.method, rpc.params);
    return respond(response, 200, { jsonrpc: '2.0', id: rpc.id, ...body }, fault);
  };
  return Object.assign(standIn, await startHttpServer(handle));
}
