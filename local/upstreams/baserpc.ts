/** A stand-in for the JSON-RPC of Base. */
import { randomBytes } from 'node:crypto';
import { type ChainStandIn, startChain } from './chain.ts';
import type { StandIn } from './stand-in.ts';

export const standIn = {
  start: () => startChain({ chain: 'base', apiKey: randomBytes(12).toString('hex') }),
} satisfies StandIn<ChainStandIn>;
