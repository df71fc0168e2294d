import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** DefiLlama: prices of tokens by chain and contract, with a confidence. It needs no key. */
export const defillama = {
  name: 'defillama',
  baseUrl: 'https://coins.llama.fi',
  secret: z.object({}),
  requestsPerSecond: 5,
} satisfies Upstream;
