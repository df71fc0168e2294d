import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Neynar: Farcaster users and their verified wallets. */
export const neynar = {
  name: 'neynar',
  baseUrl: 'https://api.neynar.com',
  secret: z.object({ apiKey: z.string().min(1) }),
  requestsPerSecond: 5,
} satisfies Upstream;
