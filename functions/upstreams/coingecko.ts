import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** CoinGecko's demo plan: prices of coins by its own ids, and of tokens by contract. 30 requests a minute, 10,000 a month. */
export const coingecko = {
  name: 'coingecko',
  baseUrl: 'https://api.coingecko.com',
  secret: z.object({ apiKey: z.string().min(1) }),
  requestsPerSecond: 1,
  // a retry costs the monthly quota as much as the request
  maxAttempts: 2,
} satisfies Upstream;
