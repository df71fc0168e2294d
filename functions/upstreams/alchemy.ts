import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Alchemy: metadata, owners, and transfers of NFTs on Ethereum, and webhooks for transfers. */
export const alchemy = {
  name: 'alchemy',
  baseUrl: 'https://eth-mainnet.g.alchemy.com',
  secret: z.object({ apiKey: z.string().min(1), webhookSigningKey: z.string().min(1) }),
  // the free tier allows 500 compute units per second, and a page of tokens costs 50
  requestsPerSecond: 10,
} satisfies Upstream;
