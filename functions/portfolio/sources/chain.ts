/**
 * Reads contracts of a chain at one block, many in one request, with viem's `multicall`. Only the jobs function imports
 * this: viem would double the size of the API function.
 *
 * viem gets a transport that sends requests over the connection of the upstream, with its budget, gate, and retries. viem
 * itself never retries, and takes a request that failed for calls that failed; here such a request fails as a whole.
 */
import { type Abi, createClient, custom } from 'viem';
import { multicall } from 'viem/actions';
import * as z from 'zod';
import { transactionHash } from '../../../shared/kernel/address.ts';
import { InvalidInput, RateLimited, ResponseTooLarge, Upstream } from '../../../shared/kernel/errors.ts';
import { storable } from '../../../shared/kernel/text.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { baserpc } from '../../upstreams/baserpc.ts';
import { ethereumrpc } from '../../upstreams/ethereumrpc.ts';
import { multicall3 } from './abis.ts';

type Hex = `0x${string}`;

export interface Block {
  number: bigint;
  hash: string;
  time: Date;
}

export interface Call {
  /** The contract. */
  address: string;
  abi: Abi;
  functionName: string;
  args?: readonly unknown[];
}

/** What a call returned, or why it failed: it reverted, or what is at the address is not such a contract. */
export type CallResult = { value: unknown } | { failed: string };

export interface Chain {
  /** The latest block. */
  getHead(): Promise<Block>;
  /** Whether the block is still part of the chain. */
  isCanonical(block: Block): Promise<boolean>;
  /**
   * What calls return at a block, in their order. A call that fails costs itself alone.
   *
   * @throws Upstream  the node does not have that block (retryable)
   */
  callAt(block: Block, calls: readonly Call[]): Promise<CallResult[]>;
}

export const chainNames = ['ethereum', 'base'] as const;
export type ChainName = (typeof chainNames)[number];

const multicallAddress = '0xca11bde05977b3631167028862be2a173976ca11';
const callsPerRequest = 250;

const hexNumber = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,15}$/)
  .transform(BigInt);
const maxTimestamp = 253_402_300_799n;
export const rpcBlock = z.object({
  number: hexNumber,
  hash: transactionHash,
  timestamp: hexNumber
    .refine((seconds) => seconds <= maxTimestamp, 'must be before the year 10000')
    .transform((seconds) => new Date(Number(seconds) * 1_000)),
});
const failure = z.object({ error: z.object({ code: z.number(), message: z.string() }) });

/** The client of a chain, of this container. */
export function getChain(name: ChainName): Promise<Chain> {
  return name === 'base' ? connectUpstream(baserpc, createBase) : connectUpstream(ethereumrpc, createEthereum);
}

const createBase = (connection: Connection<typeof baserpc>) => createChain(connection, baserpc.name);
const createEthereum = (connection: Connection<typeof ethereumrpc>) => createChain(connection, ethereumrpc.name);

/** Creates a client of a chain. `upstream` names it in errors. */
export function createChain(
  { baseUrl, credentials, request, expect }: Connection<typeof baserpc>,
  upstream: string,
): Chain {
  const rpc = async <T>(method: string, params: readonly unknown[], result: z.ZodType<T>): Promise<T> => {
    const url = `${baseUrl}/v2/${(await credentials()).apiKey}`;
    const reply = await request({ operation: method, url, body: { jsonrpc: '2.0', id: 1, method, params } });
    const failed = failure.safeParse(reply);
    if (failed.success) throw errorOf(`${upstream} ${method}`, failed.data.error);
    return expect(method, z.object({ result }), reply).result;
  };
  const getBlock = async (name: string) => {
    const found = await rpc('eth_getBlockByNumber', [name, false], rpcBlock.nullable());
    return found && { number: found.number, hash: found.hash, time: found.timestamp };
  };

  /** The results of one request. @throws InvalidInput, ResponseTooLarge  its calls are too much together, or one is alone */
  async function callTogether(block: Block, calls: readonly Call[]): Promise<CallResult[]> {
    let thrown: unknown;
    const send = ({ method, params }: { method: string; params?: unknown }) =>
      rpc(method, params as unknown[], z.string()).catch((error: unknown) => {
        thrown = error;
        throw error;
      });
    const client = createClient({ cacheTime: 0, transport: custom({ request: send as never }, { retryCount: 0 }) });
    // the first call proves that the others are answered, and at which block
    const proof: Call = { address: multicallAddress, abi: multicall3, functionName: 'getBlockNumber' };
    const contracts = [proof, ...calls].map((call) => ({ ...call, address: call.address as Hex }));
    const results = await multicall(client, {
      contracts,
      blockNumber: block.number,
      multicallAddress,
      batchSize: 0,
      allowFailure: true,
    });
    if (thrown !== undefined) throw thrown;
    const [at, ...answers] = results;
    if (at?.status !== 'success' || at.result !== block.number)
      throw new Upstream(`${upstream} eth_call: multicall did not answer at block ${block.number}.`);
    return answers.map((one) => (one.status === 'success' ? { value: one.result } : { failed: reasonOf(one.error) }));
  }

  async function callInHalves(block: Block, calls: readonly Call[]): Promise<CallResult[]> {
    try {
      return await callTogether(block, calls);
    } catch (error) {
      if (!(error instanceof InvalidInput || error instanceof ResponseTooLarge)) throw error;
      if (calls.length === 1) return [{ failed: error.message }];
      const middle = Math.ceil(calls.length / 2);
      const first = await callInHalves(block, calls.slice(0, middle));
      return [...first, ...(await callInHalves(block, calls.slice(middle)))];
    }
  }

  return {
    async getHead() {
      const head = await getBlock('latest');
      if (!head) throw new Upstream(`${upstream} eth_getBlockByNumber: the chain has no block.`);
      return head;
    },
    async isCanonical(block) {
      return (await getBlock(`0x${block.number.toString(16)}`))?.hash === block.hash;
    },
    async callAt(block, calls) {
      const results: CallResult[] = [];
      for (let i = 0; i < calls.length; i += callsPerRequest)
        results.push(...(await callInHalves(block, calls.slice(i, i + callsPerRequest))));
      return results;
    },
  };
}

/** An error in a reply: of what was called, of a limit, or else of the node, such as a block that it does not have. */
function errorOf(what: string, { code, message }: { code: number; message: string }): Error {
  const reason = `${what}: failed with ${code}: ${storable(message).slice(0, 300)}`;
  if (code === 429) return new RateLimited(`${what}: too many requests.`, 'upstream', 1);
  return code === 3 || /revert|out of gas|gas limit|invalid opcode/i.test(message)
    ? new InvalidInput(reason)
    : new Upstream(reason);
}

function reasonOf(error: unknown): string {
  const { shortMessage, message } = error as Error & { shortMessage?: string };
  return storable(shortMessage ?? message).slice(0, 300);
}
