/** The HTTP operations of the collections domain. Amounts and token ids are decimal strings, times ISO 8601 in UTC. */
import * as z from 'zod';
import { address, transactionHash } from '../../shared/kernel/address.ts';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal, uint256 } from '../../shared/kernel/decimal.ts';
import { count, limit, timeParameter, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { alchemy } from '../upstreams/alchemy.ts';
import { neynar } from '../upstreams/neynar.ts';
import { byCollection, byToken, collection, fid, heldCollection, holding, nft, traitName } from './shapes.ts';

export const operations = defineOperations({
  listCollections: {
    method: 'GET',
    path: '/v1/collections',
    summary: 'All collections, sorted.',
    query: z.strictObject({
      sort: z.enum(['name', '-holders', '-tokens', '-refreshed']).default('name'),
      limit,
      cursor: cursor.optional(),
    }),
    response: z.strictObject({
      collections: z.array(
        z.strictObject({
          address: z.string(),
          name: z.string().nullable(),
          symbol: z.string().nullable(),
          tokenType: collection.shape.tokenType,
          imageUrl: z.string().nullable(),
          tokenCount: count,
          holderCount: count,
          refreshedAt: timestamp.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    cache: {
      entity: 'collection-directory:all',
      ttl: 60,
      kind: 'ttlOnly',
      staleness: 'Counts and order may be up to one minute old.',
      graceSeconds: 3_600,
    },
  },

  getCollection: {
    method: 'GET',
    path: '/v1/collections/{address}',
    summary: 'One collection. If it is not stored yet, it is fetched from upstream first.',
    pathParameters: byCollection,
    upstreams: [alchemy],
    response: collection,
    problems: [404, 429],
    cache: {
      entity: 'collections:{address}',
      dependsOn: ['collection-nfts:{address}', 'collection-owners:{address}'],
      ttl: 'hot',
    },
  },

  listNfts: {
    method: 'GET',
    path: '/v1/collections/{address}/nfts',
    summary: 'The tokens of a collection, ordered by token id. Can be filtered by owner and traits.',
    description: 'Filter by trait with `trait.<Type>=<Value>`. Tokens must match every trait filter.',
    pathParameters: byCollection,
    query: z
      .object({
        page: z.coerce.number().int().min(1).max(100_000).default(1),
        pageSize: z.coerce.number().int().min(1).max(100).default(50),
        owner: address.optional(),
      })
      .catchall(z.array(z.string().min(1).max(200)).max(10))
      .superRefine((query, context) => {
        const unknown = Object.keys(query).filter(
          (name) => !['page', 'pageSize', 'owner'].includes(name) && !traitName.test(name),
        );
        if (unknown.length > 0) context.addIssue({ code: 'unrecognized_keys', keys: unknown, input: query });
      }),
    response: z.strictObject({
      nfts: z.array(nft),
      page: count,
      pageSize: count,
      total: count,
      pages: count,
    }),
    problems: [404],
    cache: {
      entity: 'collection-nfts:{address}',
      dependsOn: ['collections:{address}', 'collection-owners:{address}'],
      ttl: 'warm',
    },
  },

  getTraits: {
    method: 'GET',
    path: '/v1/collections/{address}/traits',
    summary: 'How many tokens have each trait value. Rarity is the share of tokens, from 0 to 1.',
    pathParameters: byCollection,
    response: z.strictObject({
      tokenCount: count,
      traits: z.array(
        z.strictObject({
          type: z.string(),
          values: z.array(z.strictObject({ value: z.string(), count, rarity: decimal })),
        }),
      ),
    }),
    problems: [404],
    cache: { entity: 'collection-nfts:{address}', dependsOn: ['collections:{address}'], ttl: 'warm' },
  },

  listHolders: {
    method: 'GET',
    path: '/v1/collections/{address}/holders',
    summary: 'The holders of a collection, most tokens first.',
    description:
      'For a collection known from imported lists of holders, `asOf` selects the latest list at or before that time.',
    pathParameters: byCollection,
    query: z.strictObject({ limit, cursor: cursor.optional(), asOf: timeParameter.optional() }),
    response: z.strictObject({
      holders: z.array(holding),
      holderCount: count,
      tokenCount: count,
      asOf: timestamp.nullable(),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: { entity: 'collection-owners:{address}', dependsOn: ['collections:{address}'], ttl: 'warm' },
  },

  getNft: {
    method: 'GET',
    path: '/v1/collections/{address}/nfts/{tokenId}',
    summary: 'One token with its traits and other attributes.',
    pathParameters: byToken,
    response: nft.extend({
      collection: z.string(),
      description: z.string().nullable(),
      tokenUri: z.string().nullable(),
      attributes: z.record(z.string(), z.unknown()),
      updatedAt: timestamp,
    }),
    problems: [404],
    cache: {
      entity: 'nfts:{address}:{tokenId}',
      dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
      ttl: 'warm',
    },
  },

  getNftOwner: {
    method: 'GET',
    path: '/v1/collections/{address}/nfts/{tokenId}/owner',
    summary: 'The owner of a token. For ERC-1155, each holder with the amount.',
    pathParameters: byToken,
    response: z.strictObject({
      collection: z.string(),
      tokenId: uint256,
      /** The only owner. Null if there are several, or none is known. */
      owner: z.string().nullable(),
      owners: z.array(
        z.strictObject({
          address: z.string(),
          amount: decimal,
          acquiredAt: timestamp.nullable(),
          lastVerifiedAt: timestamp.nullable(),
        }),
      ),
    }),
    problems: [404],
    cache: {
      entity: 'nfts:{address}:{tokenId}',
      dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
      ttl: 'hot',
    },
  },

  listNftTransfers: {
    method: 'GET',
    path: '/v1/collections/{address}/nfts/{tokenId}/transfers',
    summary: "A token's transfers, latest first.",
    pathParameters: byToken,
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({
      transfers: z.array(
        z.strictObject({
          transactionHash,
          logIndex: z.int().nullable(),
          blockNumber: count,
          timestamp: timestamp.nullable(),
          from: z.string(),
          to: z.string(),
          amount: decimal,
          priceEth: decimal.nullable(),
        }),
      ),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
    cache: {
      entity: 'nfts:{address}:{tokenId}',
      dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
      ttl: 'cold',
    },
  },

  getUser: {
    method: 'GET',
    path: '/v1/users/{fid}',
    summary: 'A Farcaster user with their verified wallets.',
    pathParameters: z.strictObject({ fid }),
    upstreams: [neynar],
    response: z.strictObject({
      fid: count,
      username: z.string().nullable(),
      displayName: z.string().nullable(),
      imageUrl: z.string().nullable(),
      wallets: z.array(z.string()),
      updatedAt: timestamp,
    }),
    problems: [404, 429],
    cache: { entity: 'users:{fid}', ttl: 'hot' },
  },

  listUserCollections: {
    method: 'GET',
    path: '/v1/users/{fid}/collections',
    summary: 'The collections held by all wallets of a Farcaster user, most tokens first.',
    pathParameters: z.strictObject({ fid }),
    response: z.strictObject({ fid: count, wallets: z.array(z.string()), collections: z.array(heldCollection) }),
    problems: [404],
    cache: { entity: 'users:{fid}', ttl: 'cold' },
  },

  listWalletCollections: {
    method: 'GET',
    path: '/v1/wallets/{address}/collections',
    summary: 'The collections a wallet holds, most tokens first.',
    pathParameters: z.strictObject({ address }),
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({ collections: z.array(heldCollection), nextCursor: z.string().nullable() }),
    cache: { entity: 'wallet-collections:{address}', ttl: 'cold' },
  },

  refreshCollection: {
    method: 'POST',
    path: '/v1/collections/{address}/refresh',
    summary: 'Queues a refresh of the collection from upstream. Returns the id of the job.',
    pathParameters: z.strictObject({ address }),
    status: 202,
    upstreams: [alchemy],
    response: z.strictObject({ jobId: ulidText, status: z.string() }),
    problems: [404, 429],
  },

  receiveAlchemyWebhook: {
    method: 'POST',
    path: '/v1/webhooks/alchemy',
    summary: 'Receives NFT activity from Alchemy, signed over the raw body.',
    access: 'signed',
    body: z.unknown(),
    upstreams: [alchemy],
    response: z.strictObject({ applied: count, unchanged: count, reverted: count, rejected: count }),
    problems: [401, 413],
  },
});
