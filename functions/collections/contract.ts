/** The collections room's HTTP operations. An answer's amounts and token ids are decimal texts, its times ISO in UTC. */
import * as z from 'zod';
import { address, transactionHash } from '../../shared/kernel/address.ts';
import { cursor } from '../../shared/kernel/cursor.ts';
import { decimal, uint256 } from '../../shared/kernel/decimal.ts';
import { operation } from '../../shared/kernel/declaration.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import * as views from './cache.ts';

/** How a collection is named: by its contract's address, or by its slug where it has no contract we know. */
export const collectionId = z
  .union([address, z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/)], {
    error: 'must be a contract address (0x and 40 hex digits) or a slug (a-z, 0-9 and -)',
  })
  .refine((text) => !text.startsWith('0x') || text.length === 42, 'must be 0x and 40 hex digits')
  .meta({ id: 'CollectionId' });

const timestamp = z.iso.datetime();
const count = z.int().nonnegative();
const limit = z.coerce.number().int().min(1).max(200).default(50);
const fid = z.string().regex(/^[1-9]\d{0,14}$/, 'must be a Farcaster id: a positive whole number');

const traitName = /^trait\..{1,100}$/;

const byCollection = z.strictObject({ address: collectionId });
const byToken = z.strictObject({ address: collectionId, tokenId: uint256 });
const noQuery = z.strictObject({});

export const collection = z
  .strictObject({
    address: z.string(),
    slug: z.string().nullable(),
    name: z.string().nullable(),
    symbol: z.string().nullable(),
    tokenType: z.enum(['ERC721', 'ERC1155', 'UNKNOWN']),
    description: z.string().nullable(),
    imageUrl: z.string().nullable(),
    externalUrl: z.string().nullable(),
    totalSupply: decimal.nullable(),
    floorPriceEth: decimal.nullable(),
    deployer: z.string().nullable(),
    deployedBlock: count.nullable(),
    /** `metadata`: its tokens are still being fetched. */
    completeness: z.enum(['metadata', 'complete']),
    refreshedAt: timestamp.nullable(),
  })
  .meta({ id: 'Collection' });

const trait = z.strictObject({ type: z.string(), value: z.string() }).meta({ id: 'Trait' });

const nft = z
  .strictObject({
    tokenId: uint256,
    name: z.string().nullable(),
    imageUrl: z.string().nullable(),
    traits: z.array(trait),
  })
  .meta({ id: 'Nft' });

const holding = z.strictObject({ address: z.string(), tokenCount: count, amount: decimal }).meta({ id: 'Holding' });

const heldCollection = z
  .strictObject({
    address: z.string(),
    name: z.string().nullable(),
    imageUrl: z.string().nullable(),
    tokenCount: count,
    amount: decimal,
    lastOwnedAt: timestamp,
  })
  .meta({ id: 'HeldCollection' });

export const listCollections = operation({
  operationId: 'listCollections',
  method: 'GET',
  path: '/v1/collections',
  summary: 'The directory of collections.',
  access: 'public',
  pathParameters: z.strictObject({}),
  query: z.strictObject({
    sort: z.enum(['name', '-holders', '-tokens', '-refreshed']).default('name'),
    limit,
    cursor: cursor.optional(),
  }),
  status: 200,
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
  cache: views.directory,
});

export const getCollection = operation({
  operationId: 'getCollection',
  method: 'GET',
  path: '/v1/collections/{address}',
  summary: 'One collection. One nobody has asked for yet is fetched from upstream first.',
  access: 'public',
  pathParameters: byCollection,
  query: noQuery,
  status: 200,
  response: collection,
  problems: [404, 429],
  cache: views.metadata,
});

export const listNfts = operation({
  operationId: 'listNfts',
  method: 'GET',
  path: '/v1/collections/{address}/nfts',
  summary: 'The tokens of a collection by token id, filtered by owner and by any number of traits.',
  description: 'Traits are given as `trait.<Type>=<Value>`; several of one or of different types must all be there.',
  access: 'public',
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
  status: 200,
  response: z.strictObject({
    nfts: z.array(nft),
    page: count,
    pageSize: count,
    total: count,
    pages: count,
  }),
  problems: [404],
  cache: views.nfts,
});

export const getTraits = operation({
  operationId: 'getTraits',
  method: 'GET',
  path: '/v1/collections/{address}/traits',
  summary: 'How often each trait value occurs; rarity is its share of the tokens, from 0 to 1.',
  access: 'public',
  pathParameters: byCollection,
  query: noQuery,
  status: 200,
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
  cache: views.traits,
});

export const listHolders = operation({
  operationId: 'listHolders',
  method: 'GET',
  path: '/v1/collections/{address}/holders',
  summary: 'Who holds the collection, most tokens first.',
  description: 'A collection known by its holder lists keeps each of them: `asOf` asks for the latest not after it.',
  access: 'public',
  pathParameters: byCollection,
  query: z.strictObject({ limit, cursor: cursor.optional(), asOf: z.iso.datetime().optional() }),
  status: 200,
  response: z.strictObject({
    holders: z.array(holding),
    holderCount: count,
    tokenCount: count,
    asOf: timestamp.nullable(),
    nextCursor: z.string().nullable(),
  }),
  problems: [404],
  cache: views.holders,
});

export const getNft = operation({
  operationId: 'getNft',
  method: 'GET',
  path: '/v1/collections/{address}/nfts/{tokenId}',
  summary: 'One token with its traits and what else its source says of it.',
  access: 'public',
  pathParameters: byToken,
  query: noQuery,
  status: 200,
  response: nft.extend({
    collection: z.string(),
    description: z.string().nullable(),
    tokenUri: z.string().nullable(),
    attributes: z.record(z.string(), z.unknown()),
    updatedAt: timestamp,
  }),
  problems: [404],
  cache: views.nft,
});

export const getNftOwner = operation({
  operationId: 'getNftOwner',
  method: 'GET',
  path: '/v1/collections/{address}/nfts/{tokenId}/owner',
  summary: 'Who owns a token: one address, or for ERC-1155 each holder with the amount.',
  access: 'public',
  pathParameters: byToken,
  query: noQuery,
  status: 200,
  response: z.strictObject({
    collection: z.string(),
    tokenId: uint256,
    /** The only owner; null where there are several or none is known. */
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
  cache: views.owner,
});

export const listNftTransfers = operation({
  operationId: 'listNftTransfers',
  method: 'GET',
  path: '/v1/collections/{address}/nfts/{tokenId}/transfers',
  summary: "A token's transfers, latest first.",
  access: 'public',
  pathParameters: byToken,
  query: z.strictObject({ limit, cursor: cursor.optional() }),
  status: 200,
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
  cache: views.transfers,
});

export const getUser = operation({
  operationId: 'getUser',
  method: 'GET',
  path: '/v1/users/{fid}',
  summary: 'A Farcaster user and the wallets verified for them.',
  access: 'public',
  pathParameters: z.strictObject({ fid }),
  query: noQuery,
  status: 200,
  response: z.strictObject({
    fid: count,
    username: z.string().nullable(),
    displayName: z.string().nullable(),
    imageUrl: z.string().nullable(),
    wallets: z.array(z.string()),
    updatedAt: timestamp,
  }),
  problems: [404, 429],
  cache: views.user,
});

export const listUserCollections = operation({
  operationId: 'listUserCollections',
  method: 'GET',
  path: '/v1/users/{fid}/collections',
  summary: 'The collections held by all the wallets of a Farcaster user.',
  access: 'public',
  pathParameters: z.strictObject({ fid }),
  query: noQuery,
  status: 200,
  response: z.strictObject({ fid: count, wallets: z.array(z.string()), collections: z.array(heldCollection) }),
  problems: [404],
  cache: views.userCollections,
});

export const listWalletCollections = operation({
  operationId: 'listWalletCollections',
  method: 'GET',
  path: '/v1/wallets/{address}/collections',
  summary: 'The collections a wallet holds, most tokens first.',
  access: 'public',
  pathParameters: z.strictObject({ address }),
  query: z.strictObject({ limit, cursor: cursor.optional() }),
  status: 200,
  response: z.strictObject({ collections: z.array(heldCollection), nextCursor: z.string().nullable() }),
  cache: views.walletCollections,
});

export const refreshCollection = operation({
  operationId: 'refreshCollection',
  method: 'POST',
  path: '/v1/collections/{address}/refresh',
  summary: 'Fetches the collection from upstream again; the job can be followed by its id.',
  access: 'public',
  pathParameters: z.strictObject({ address }),
  query: noQuery,
  status: 202,
  response: z.strictObject({ jobId: ulidText, status: z.string() }),
  problems: [404, 429],
});

export const receiveAlchemyWebhook = operation({
  operationId: 'receiveAlchemyWebhook',
  method: 'POST',
  path: '/v1/webhooks/alchemy',
  summary: 'Takes NFT activity from Alchemy, signed over the raw body.',
  access: 'signed',
  pathParameters: z.strictObject({}),
  query: noQuery,
  body: z.unknown(),
  status: 200,
  response: z.strictObject({ applied: count, unchanged: count, reverted: count, rejected: count }),
  problems: [401, 413],
});
