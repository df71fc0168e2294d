/** The HTTP operations of the wallets domain. Prices and values are decimal strings in USD, times ISO 8601 in UTC. */
import * as z from 'zod';
import { flowAddress } from '../../shared/kernel/address.ts';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, limit, timeParameter, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { board, byEdition, byWallet, counted, edition, editionId, name, ranked, tier } from './shapes.ts';

export const operations = defineOperations({
  getWalletSummary: {
    method: 'GET',
    path: '/v1/wallets/{address}/summary',
    summary: 'The moments that a wallet holds, counted and valued.',
    description: 'If no snapshot covers the wallet, the response is computed on demand and has `x-source: live`.',
    pathParameters: byWallet,
    response: z.strictObject({
      address: z.string(),
      displayName: z.string().nullable(),
      momentsTotal: count,
      lockedCount: count,
      unlockedCount: count,
      tiers: z.strictObject({ COMMON: count, UNCOMMON: count, RARE: count, LEGENDARY: count, ULTIMATE: count }),
      /** The sums of the floor prices and average sale prices of the moments whose editions have them. */
      floorValueUsd: decimal,
      averageSaleValueUsd: decimal,
      pricedMoments: count,
      lastSyncedAt: timestamp.nullable(),
      /** When the snapshot was computed. Null if the response was computed on demand. */
      updatedAt: timestamp.nullable(),
    }),
    problems: [404],
    cache: { entity: 'wallets:{address}', ttl: 300 },
  },

  listHoldings: {
    method: 'GET',
    path: '/v1/wallets/{address}/holdings',
    summary: 'The moments that a wallet holds.',
    description:
      'Prices are from the latest scrape of the edition, as of the last refresh of the read models, normally seconds ago.',
    pathParameters: byWallet,
    query: z.strictObject({
      locked: z.enum(['true', 'false']).optional(),
      tier: tier.optional(),
      team: name.optional(),
      edition: editionId.optional(),
      sort: z.enum(['-acquired', 'acquired', 'serial', '-floor', 'moment']).default('-acquired'),
      limit,
      cursor: cursor.optional(),
    }),
    response: z.strictObject({
      holdings: z.array(
        z.strictObject({
          momentId: z.string(),
          editionId: z.string().nullable(),
          setName: z.string().nullable(),
          playerName: z.string().nullable(),
          teamName: z.string().nullable(),
          tier: tier.nullable(),
          serialNumber: count.nullable(),
          isLocked: z.boolean(),
          floorUsd: decimal.nullable(),
          averageSaleUsd: decimal.nullable(),
          lastEventAt: timestamp,
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    cache: { entity: 'wallets:{address}', dependsOn: ['edition-catalogue:all'], ttl: 300 },
  },

  listTopWallets: {
    method: 'GET',
    path: '/v1/leaderboards/wallets',
    summary: 'Wallets ranked by moments, floor value, or moments of one tier or team.',
    description:
      'Ties are ordered by address, descending. `wallet` adds the rank of one wallet, null if it is not on the board. ' +
      'If there are no snapshots yet, the response is computed on demand and has `x-source: live`.',
    query: z.strictObject({
      by: board.default('moments'),
      limit,
      cursor: cursor.optional(),
      wallet: flowAddress.optional(),
    }),
    response: z.strictObject({
      by: z.string(),
      wallets: z.array(z.strictObject({ ...ranked, displayName: z.string().nullable() })),
      wallet: z.strictObject(ranked).nullable(),
      nextCursor: z.string().nullable(),
    }),
    cache: { entity: 'wallet-leaderboards:all', ttl: 600 },
  },

  listEditions: {
    method: 'GET',
    path: '/v1/editions',
    summary: 'Editions with their supply, holders, and prices.',
    description: 'If there are no snapshots yet, the response is computed on demand and has `x-source: live`.',
    query: z.strictObject({
      tier: tier.optional(),
      team: name.optional(),
      player: name.optional(),
      sort: z.enum(['id', '-floor', 'floor', '-lastSale', '-holders', '-supply', '-lockedShare']).default('id'),
      limit,
      cursor: cursor.optional(),
    }),
    response: z.strictObject({ editions: z.array(edition), nextCursor: z.string().nullable() }),
    cache: { entity: 'edition-list:all', dependsOn: ['edition-catalogue:all'], ttl: 3_600 },
  },

  getEdition: {
    method: 'GET',
    path: '/v1/editions/{id}',
    summary: 'One edition with its play, supply, holders, and prices.',
    pathParameters: byEdition,
    response: edition.extend({
      category: z.string().nullable(),
      season: z.string().nullable(),
      momentAt: timestamp.nullable(),
      /** Other attributes of the play. */
      play: z.record(z.string(), z.unknown()),
    }),
    problems: [404],
    cache: { entity: 'editions:{id}', ttl: 3_600 },
  },

  getPriceHistory: {
    method: 'GET',
    path: '/v1/editions/{id}/price-history',
    summary: 'Prices of an edition over [from, to), oldest first.',
    description: 'If the edition was never scraped, the prices are sales of its player’s moments. `scope` says which.',
    pathParameters: byEdition,
    query: z.strictObject({
      from: timeParameter.optional(),
      to: timeParameter.optional(),
      limit: z.coerce.number().int().min(1).max(5_000).default(500),
      cursor: cursor.optional(),
    }),
    workload: 'analytics',
    response: z.strictObject({
      id: z.string(),
      scope: z.enum(['edition', 'player']),
      prices: z.array(
        z.strictObject({
          at: timestamp,
          floorUsd: decimal.nullable(),
          /** The average sale price of an edition, or the median sale price of a player. */
          saleUsd: decimal.nullable(),
          saleCount: count.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { entity: 'editions:{id}', ttl: 3_600 },
  },

  getExplorerFilters: {
    method: 'GET',
    path: '/v1/explorer/filters',
    summary: 'All tiers, teams, players, and sets, each with its number of editions and moments.',
    response: z.strictObject({ tiers: counted, teams: counted, players: counted, sets: counted }),
    cache: { entity: 'edition-list:all', dependsOn: ['edition-catalogue:all'], ttl: 1_800 },
  },

  search: {
    method: 'GET',
    path: '/v1/search',
    summary: 'Wallets by display name or address prefix, players and teams by name. Best matches first.',
    query: z.strictObject({
      q: z.string().trim().min(2, 'must have at least 2 characters').max(100),
      limit: z.coerce.number().int().min(1).max(50).default(10),
    }),
    response: z.strictObject({
      wallets: z.array(
        z.strictObject({ address: z.string(), displayName: z.string().nullable(), momentsTotal: count.nullable() }),
      ),
      players: z.array(z.strictObject({ name: z.string(), editions: count })),
      teams: z.array(z.strictObject({ name: z.string(), editions: count })),
    }),
    cache: { entity: 'search:all', dependsOn: ['edition-catalogue:all', 'wallet-leaderboards:all'], ttl: 600 },
  },
});
