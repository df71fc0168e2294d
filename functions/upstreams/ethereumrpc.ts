import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** The JSON-RPC of Ethereum, by Alchemy: balances and locks, read by calls of contracts. */
export const ethereumrpc = {
  name: 'ethereumrpc',
  baseUrl: 'https://eth-mainnet.g.alchemy.com',
  secret: z.object({ apiKey: z.string().min(1) }),
  // an eth_call costs 26 compute units, of the 500 per second that the free tier shares among all of Alchemy's APIs
  requestsPerSecond: 3,
  timeoutMs: 30_000,
} satisfies Upstream;
