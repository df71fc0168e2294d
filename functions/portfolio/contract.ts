/** The HTTP operations of the portfolio domain. Prices and values are decimal strings in USD, times ISO 8601 in UTC. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, limit, timeParameter, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { alertOperations } from './alert-contract.ts';
import { byToken, byWallet, chain, interval, portfolio, positionNames, priceSource, timeframe } from './shapes.ts';

const ofWallet = { entity: 'portfolios:{wallet}', ttl: 300 };
const valued =
  'Unknown is not zero: a token without a price of the last three days before `at` is `unpriced`, and counted apart. Positions ' +
  'and locks are not included.';
const range = { from: timeParameter.optional(), to: timeParameter.optional() };
const longLimit = z.coerce.number().int().min(1).max(5_000).default(1_000);

const reads = defineOperations({
  listPortfolios: {
    method: 'GET',
    path: '/v1/portfolios',
    summary: 'Wallets in the order in which they were added, each with its value and its 20 most valuable holdings.',
    description: `${valued} With \`minValue\`, only wallets whose priced holdings are worth that much.`,
    query: z.strictObject({
      page: z.coerce.number().int().min(1).max(100_000).default(1),
      limit: z.coerce.number().int().min(1).max(100).default(50),
      minValue: z
        .string()
        .regex(/^\d{1,20}(\.\d{1,18})?$/, 'must be a nonnegative decimal number')
        .optional(),
    }),
    response: z.strictObject({
      portfolios: z.array(portfolio),
      page: count,
      limit: count,
      total: count,
      pages: count,
    }),
    cache: { entity: 'portfolio-list:all', dependsOn: ['token-prices:all', 'token-list:all'], ttl: 300 },
  },

  getPortfolio: {
    method: 'GET',
    path: '/v1/portfolios/{wallet}',
    summary: 'What a wallet holds and what it is worth, now or at any past time.',
    description: `${valued} With \`at\`, the balances and prices of that time. At most 1,000 holdings are listed, most valuable first.`,
    pathParameters: byWallet,
    query: z.strictObject({ at: timeParameter.optional() }),
    response: portfolio,
    problems: [404],
    cache: { ...ofWallet, dependsOn: ['token-prices:all', 'token-list:all'] },
  },

  getPortfolios: {
    method: 'POST',
    path: '/v1/portfolios/batch',
    summary: 'What up to 200 wallets hold and what they are worth, now or at any past time.',
    description: `${valued} At most 100 holdings of each wallet are listed, most valuable first.`,
    body: z.strictObject({
      wallets: z.array(address).min(1).max(200),
      at: timeParameter.optional(),
    }),
    response: z.strictObject({
      at: timestamp.nullable(),
      /** In the order of the request, each once. */
      portfolios: z.array(portfolio),
      /** Wallets of which nothing is known. */
      unknown: z.array(z.string()),
    }),
  },

  getPortfolioHistory: {
    method: 'GET',
    path: '/v1/portfolios/{wallet}/history',
    summary: 'The value of a wallet over [from, to), oldest first.',
    description:
      'The last value of each interval in which there is one, with the lowest and highest. Ranges are limited: 35 days of ' +
      '`5m`, 400 days of `1h`, 4,000 days of `1d`. `moves` are assets that moved the value by more than 20 % between two ' +
      'snapshots.',
    pathParameters: byWallet,
    query: z.strictObject({ ...range, interval: interval.default('1h'), limit: longLimit, cursor: cursor.optional() }),
    workload: 'analytics',
    response: z.strictObject({
      wallet: z.string(),
      interval,
      coverage: z.strictObject({
        /** The first and the last snapshot of the wallet, whatever the range. Null: there is none. */
        since: timestamp.nullable(),
        until: timestamp.nullable(),
        /** Intervals of this page without a snapshot, of those between the first and the last snapshot. */
        missingIntervals: count,
      }),
      points: z.array(
        z.strictObject({
          /** The start of the interval. */
          at: timestamp,
          capturedAt: timestamp,
          /** Of the tokens that had a price. Null: none had one. */
          valueUsd: decimal.nullable(),
          /** Of the known values of the interval. Null: none is known. */
          lowUsd: decimal.nullable(),
          highUsd: decimal.nullable(),
          pricedTokens: count,
          unpricedTokens: count,
          moves: z.array(
            z.strictObject({
              at: timestamp,
              token: z.string(),
              /** Null: it had no price. */
              beforeUsd: decimal.nullable(),
              afterUsd: decimal.nullable(),
              sources: z.array(z.string()),
            }),
          ),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { ...ofWallet, dependsOn: ['token-list:all'] },
  },

  listPositions: {
    method: 'GET',
    path: '/v1/portfolios/{wallet}/positions',
    summary: 'What a wallet has put into protocols, as last observed.',
    pathParameters: byWallet,
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({
      wallet: z.string(),
      coverage: z.strictObject({ since: timestamp.nullable(), oldestObservedAt: timestamp.nullable() }),
      positions: z.array(
        z.strictObject({
          ...positionNames,
          /** Null: never observed. */
          amount: decimal.nullable(),
          valueUsd: decimal.nullable(),
          unlockAt: timestamp.nullable(),
          observedAt: timestamp.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { ...ofWallet, dependsOn: ['token-list:all'] },
  },

  listPositionHistory: {
    method: 'GET',
    path: '/v1/portfolios/{wallet}/positions/history',
    summary: 'Observations of the positions of a wallet over [from, to), oldest first.',
    description:
      'At most 400 days. Of positions that the wallet has now; a position that is not observed at a time is not closed by it.',
    pathParameters: byWallet,
    query: z.strictObject({ ...range, limit: longLimit, cursor: cursor.optional() }),
    workload: 'analytics',
    response: z.strictObject({
      wallet: z.string(),
      coverage: z.strictObject({ since: timestamp.nullable(), until: timestamp.nullable() }),
      snapshots: z.array(
        z.strictObject({
          at: timestamp,
          ...positionNames,
          amount: decimal,
          valueUsd: decimal.nullable(),
          unlockAt: timestamp.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { ...ofWallet, dependsOn: ['token-list:all'] },
  },

  listLocks: {
    method: 'GET',
    path: '/v1/portfolios/{wallet}/locks',
    summary: 'The governance locks of a wallet as last observed, largest first.',
    pathParameters: byWallet,
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({
      wallet: z.string(),
      coverage: z.strictObject({ oldestObservedAt: timestamp.nullable() }),
      locks: z.array(
        z.strictObject({
          ...positionNames,
          amount: decimal,
          /** Null: permanent. */
          unlockAt: timestamp.nullable(),
          votingPower: decimal.nullable(),
          observedAt: timestamp,
          block: z.string().nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { ...ofWallet, ttl: 1_800, dependsOn: ['token-list:all'] },
  },

  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'Tokens with their latest prices, ordered by id.',
    query: z.strictObject({ chain: chain.optional(), limit, cursor: cursor.optional() }),
    response: z.strictObject({
      tokens: z.array(
        z.strictObject({
          id: z.string(),
          symbol: z.string().nullable(),
          name: z.string().nullable(),
          chain: z.string().nullable(),
          address: z.string().nullable(),
          decimals: count.nullable(),
          /** Null if no source ever had a price. */
          priceUsd: decimal.nullable(),
          recordedAt: timestamp.nullable(),
          source: priceSource.nullable(),
          disputedSince: timestamp.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    cache: { entity: 'token-list:all', dependsOn: ['token-prices:all'], ttl: 60 },
  },

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
      source: priceSource.nullable(),
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

  listCorrelations: {
    method: 'GET',
    path: '/v1/risk/correlations',
    summary: 'How the daily log returns of pairs of assets correlate (Pearson), strongest first.',
    query: z.strictObject({
      timeframe: timeframe.default('30d'),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
      cursor: cursor.optional(),
    }),
    response: z.strictObject({
      timeframe,
      correlations: z.array(
        z.strictObject({
          tokens: z.tuple([z.string(), z.string()]),
          /** -1 to 1. */
          correlation: decimal,
          /** On how many days both had a return. */
          days: count,
          computedAt: timestamp,
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    cache: { entity: 'asset-correlations:all', dependsOn: ['token-list:all'], ttl: 3_600 },
  },

  getWalletRisk: {
    method: 'GET',
    path: '/v1/risk/wallets/{address}',
    summary: 'How much the value of a wallet varied, and how far it fell, over 30 and 90 days.',
    pathParameters: z.strictObject({ address }),
    response: z.strictObject({
      wallet: z.string(),
      timeframes: z.array(
        z.strictObject({
          timeframe,
          /** The standard deviation of daily log returns, for a year of 365 days. Null: too few days. */
          volatility: decimal.nullable(),
          /** From the highest value to the lowest after it, 0 to 1. Null: too few days. */
          maxDrawdown: decimal.nullable(),
          /** The days with a value. */
          days: count,
          computedAt: timestamp,
        }),
      ),
    }),
    problems: [404],
    cache: { entity: 'portfolios:{address}', ttl: 3_600 },
  },
});

export const operations = { ...reads, ...alertOperations };
