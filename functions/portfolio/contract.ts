/** The HTTP operations of the portfolio domain. Prices and values are decimal strings in USD, times ISO 8601 in UTC. */
import * as z from 'zod';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, timeParameter, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { alertOperations } from './alert-contract.ts';
import { byToken } from './shapes.ts';

const reads = defineOperations({
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

  listTokenPrices: {
    method: 'GET',
    path: '/v1/tokens/{id}/prices',
    summary: 'Prices of a token over [from, to), oldest first: as recorded, or as candles of an hour or a day.',
    description:
      'At most 5,000 candles: ask for less time, or for longer candles. A candle counts only prices in the range. By default the range is the last 30 days, or the 30 days before `to`.',
    pathParameters: byToken,
    query: z.strictObject({
      from: timeParameter.optional(),
      to: timeParameter.optional(),
      interval: z.enum(['raw', '1h', '1d']).default('raw'),
      limit: z.coerce.number().int().min(1).max(5_000).default(500),
      cursor: cursor.optional(),
    }),
    workload: 'analytics',
    response: z.strictObject({
      id: z.string(),
      interval: z.enum(['raw', '1h', '1d']),
      /** The times of the first and the last price that are known of the token, in the range or not. Null: there are none. */
      coverage: z.strictObject({ since: timestamp.nullable(), until: timestamp.nullable() }),
      prices: z.array(
        z.strictObject({
          /** Of a price, its time; of a candle, its start. */
          at: timestamp,
          /** The first price of a candle. Like high and low it is null for a price at one instant. */
          openUsd: decimal.nullable(),
          highUsd: decimal.nullable(),
          lowUsd: decimal.nullable(),
          /** Of a candle, its last price. */
          priceUsd: decimal,
          /** The sum of what is known. */
          volumeUsd: decimal.nullable(),
          /** The number of prices in a candle. */
          count,
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { entity: 'tokens:{id}', ttl: 300 },
  },
});

export const operations = { ...reads, ...alertOperations };
