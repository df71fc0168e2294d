import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Alchemy: NFT metadata, owners and transfers of Ethereum, and webhooks about them. */
export const alchemy = {
  name: 'alchemy',
  baseUrl: 'https://eth-mainnet.g.alchemy.com',
  secret: z.object({ apiKey: z.string().min(1), webhookSigningKey: z.string().min(1) }),
  // 500 compute units a second on the free tier, 50 for a page of tokens
  requestsPerSecond: 10,
} satisfies Upstream;
