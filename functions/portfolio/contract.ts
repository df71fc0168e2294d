/** The HTTP operations of the portfolio domain. Prices and values are decimal strings in USD, times ISO 8601 in UTC. */
import * as z from 'zod';
import { decimal } from '../../shared/kernel/decimal.ts';
import { timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { byToken } from './shapes.ts';

export const operations = defineOperations({
  getTokenPrice: {
    method: 'GET',
    path: '/v1/tokens/{id}/price',
    summary: 'The latest price of a token.',
    pathParameters: byToken,
    response: z.strictObject({
      id: z.string(),
      symbol: z.string().nullable(),
      /** Null if no source ever had a price. */
      priceUsd: decimal.nullable(),
      recordedAt: timestamp.nullable(),
      source: z.enum(['defillama', 'coingecko', 'alchemy', 'import']).nullable(),
      /** Since when the sources differ by more than 5 %. Null if they agree. */
      disputedSince: timestamp.nullable(),
    }),
    problems: [404],
    cache: { entity: 'tokens:{id}', ttl: 60 },
  },
});
