import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Alchemy's Prices API: prices of tokens by chain and contract. */
export const alchemyprices = {
  name: 'alchemyprices',
  baseUrl: 'https://api.g.alchemy.com',
  secret: z.object({ apiKey: z.string().min(1) }),
  // 40 compute units each, of the 500 per second that the free tier shares among all of Alchemy's APIs
  requestsPerSecond: 1,
} satisfies Upstream;
