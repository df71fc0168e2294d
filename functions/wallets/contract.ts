/** The wallets room's HTTP operations. Prices and values are USD as decimal texts, times ISO in UTC. */
import * as z from 'zod';
import { flowAddress } from '../../shared/kernel/address.ts';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { operation } from '../../shared/kernel/declaration.ts';
import * as views from './cache.ts';

/** How rare a moment's edition is, from the most common on. */
export const tier = z.enum(['COMMON', 'UNCOMMON', 'RARE', 'LEGENDARY', 'ULTIMATE']).meta({ id: 'Tier' });

/** An edition: the ids of its set and its play, `26-565`; without leading zeros from then on. */
export const editionId = z
  .string()
  .regex(/^\d{1,9}-\d{1,9}$/, 'must be the ids of a set and a play: 26-565')
  .transform((text) => text.split('-').map(Number).join('-'))
  .meta({ id: 'EditionId' });

const timestamp = z.iso.datetime();
const count = z.int().nonnegative();
const limit = z.coerce.number().int().min(1).max(200).default(50);
const name = z.string().min(1).max(100);
const byWallet = z.strictObject({ address: flowAddress });
const byEdition = z.strictObject({ id: editionId });
const noPath = z.strictObject({});

/** What a leaderboard counts: moments, their floor value, those of one tier, those of one team. */
export const board = z
  .string()
  .regex(
    /^(moments|floorValue|tier\.(COMMON|UNCOMMON|RARE|LEGENDARY|ULTIMATE)|team\..{1,100})$/,
    'must be moments, floorValue, tier.<TIER> or team.<Team>',
  );

export const getWalletSummary = operation({
  operationId: 'getWalletSummary',
  method: 'GET',
  path: '/v1/wallets/{address}/summary',
  summary: 'What a wallet holds, counted and valued.',
  description: 'An answer that was computed on the spot, since no snapshot of it stands, says `x-source: live`.',
  access: 'public',
  pathParameters: byWallet,
  query: z.strictObject({}),
  status: 200,
  response: z.strictObject({
    address: z.string(),
    displayName: z.string().nullable(),
    momentsTotal: count,
    lockedCount: count,
    unlockedCount: count,
    tiers: z.strictObject({ COMMON: count, UNCOMMON: count, RARE: count, LEGENDARY: count, ULTIMATE: count }),
    /** The sum of the floor prices, and of the average sale prices, of the moments whose edition has one. */
    floorValueUsd: decimal,
    averageSaleValueUsd: decimal,
    pricedMoments: count,
    lastSyncedAt: timestamp.nullable(),
    /** When the snapshot was computed; null where the answer was computed on the spot. */
    updatedAt: timestamp.nullable(),
  }),
  problems: [404],
  cache: views.summary,
});

export const listHoldings = operation({
  operationId: 'listHoldings',
  method: 'GET',
  path: '/v1/wallets/{address}/holdings',
  summary: 'The moments a wallet holds.',
  description:
    'Prices are of the latest scrape of the edition, as of the last refresh of the read models: normally seconds old.',
  access: 'public',
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
  status: 200,
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
  cache: views.holdings,
});

const ranked = { rank: z.int().positive(), address: z.string(), value: decimal };

export const listTopWallets = operation({
  operationId: 'listTopWallets',
  method: 'GET',
  path: '/v1/leaderboards/wallets',
  summary: 'Wallets by how many moments they hold, what these are worth, or how many of a tier or a team.',
  description:
    'Equal wallets stand in the order of their addresses, highest first. `wallet` asks for the rank of one of them, ' +
    'which is null where it is not on the board. Without snapshots it is computed on the spot: `x-source: live`.',
  access: 'public',
  pathParameters: noPath,
  query: z.strictObject({
    by: board.default('moments'),
    limit,
    cursor: cursor.optional(),
    wallet: flowAddress.optional(),
  }),
  status: 200,
  response: z.strictObject({
    by: z.string(),
    wallets: z.array(z.strictObject({ ...ranked, displayName: z.string().nullable() })),
    wallet: z.strictObject(ranked).nullable(),
    nextCursor: z.string().nullable(),
  }),
  cache: views.leaderboard,
});

const edition = z
  .strictObject({
    id: z.string(),
    setId: count,
    playId: count,
    setName: z.string().nullable(),
    playerName: z.string().nullable(),
    teamName: z.string().nullable(),
    tier: tier.nullable(),
    /** Moments of it that are known; of these: held by wallets that are known, and locked. */
    supply: count,
    held: count,
    locked: count,
    /** Locked of held, 0 to 1. */
    lockedShare: decimal,
    holders: count,
    floorUsd: decimal.nullable(),
    averageSaleUsd: decimal.nullable(),
    saleCount: count,
    lastSaleUsd: decimal.nullable(),
    lastSaleAt: timestamp.nullable(),
  })
  .meta({ id: 'Edition' });

export const listEditions = operation({
  operationId: 'listEditions',
  method: 'GET',
  path: '/v1/editions',
  summary: 'Editions with their supply, holders and prices.',
  description: 'Without snapshots it is computed on the spot: `x-source: live`.',
  access: 'public',
  pathParameters: noPath,
  query: z.strictObject({
    tier: tier.optional(),
    team: name.optional(),
    player: name.optional(),
    sort: z.enum(['id', '-floor', 'floor', '-lastSale', '-holders', '-supply', '-lockedShare']).default('id'),
    limit,
    cursor: cursor.optional(),
  }),
  status: 200,
  response: z.strictObject({ editions: z.array(edition), nextCursor: z.string().nullable() }),
  cache: views.editionList,
});

export const getEdition = operation({
  operationId: 'getEdition',
  method: 'GET',
  path: '/v1/editions/{id}',
  summary: 'One edition with its play, supply, holders and prices.',
  access: 'public',
  pathParameters: byEdition,
  query: z.strictObject({}),
  status: 200,
  response: edition.extend({
    category: z.string().nullable(),
    season: z.string().nullable(),
    momentAt: timestamp.nullable(),
    /** What else is known of the play. */
    play: z.record(z.string(), z.unknown()),
  }),
  problems: [404],
  cache: views.edition,
});

export const getPriceHistory = operation({
  operationId: 'getPriceHistory',
  method: 'GET',
  path: '/v1/editions/{id}/price-history',
  summary: 'Prices of an edition over [from, to), oldest first.',
  description:
    'Where nobody has scraped the edition itself, the sales of its player’s moments stand in: `scope` says which.',
  access: 'public',
  pathParameters: byEdition,
  query: z.strictObject({
    from: timestamp.optional(),
    to: timestamp.optional(),
    limit: z.coerce.number().int().min(1).max(5_000).default(500),
    cursor: cursor.optional(),
  }),
  status: 200,
  response: z.strictObject({
    id: z.string(),
    scope: z.enum(['edition', 'player']),
    prices: z.array(
      z.strictObject({
        at: timestamp,
        floorUsd: decimal.nullable(),
        /** The average of an edition's sales; the median of a player's. */
        saleUsd: decimal.nullable(),
        saleCount: count.nullable(),
      }),
    ),
    nextCursor: z.string().nullable(),
  }),
  problems: [404],
  cache: views.priceHistory,
});

const counted = z.array(z.strictObject({ name: z.string(), editions: count, moments: count }));

export const getExplorerFilters = operation({
  operationId: 'getExplorerFilters',
  method: 'GET',
  path: '/v1/explorer/filters',
  summary: 'The tiers, teams, players and sets there are, with how many editions and moments each has.',
  access: 'public',
  pathParameters: noPath,
  query: z.strictObject({}),
  status: 200,
  response: z.strictObject({ tiers: counted, teams: counted, players: counted, sets: counted }),
  cache: views.filters,
});

export const search = operation({
  operationId: 'search',
  method: 'GET',
  path: '/v1/search',
  summary: 'Wallets by display name or the beginning of their address, players and teams by name; the best first.',
  access: 'public',
  pathParameters: noPath,
  query: z.strictObject({
    q: z.string().trim().min(2, 'must have two characters at least').max(100),
    limit: z.coerce.number().int().min(1).max(50).default(10),
  }),
  status: 200,
  response: z.strictObject({
    wallets: z.array(
      z.strictObject({ address: z.string(), displayName: z.string().nullable(), momentsTotal: count.nullable() }),
    ),
    players: z.array(z.strictObject({ name: z.string(), editions: count })),
    teams: z.array(z.strictObject({ name: z.string(), editions: count })),
  }),
  cache: views.search,
});
