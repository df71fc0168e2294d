/** The schemas shared by the operations and datasets of the collections domain. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { decimal, uint256 } from '../../shared/kernel/decimal.ts';
import { count, timestamp } from '../../shared/kernel/fields.ts';

/** The id of a collection: its contract's address, or its slug if the contract is unknown. */
export const collectionId = z
  .union([address, z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/)], {
    error: 'must be a contract address (0x and 40 hex digits) or a slug (a-z, 0-9 and -)',
  })
  .refine((text) => !text.startsWith('0x') || text.length === 42, 'must be a contract address (0x and 40 hex digits)')
  .meta({ id: 'CollectionId' });

export const fid = z.string().regex(/^[1-9]\d{0,14}$/, 'must be a Farcaster id (a positive whole number)');

export const traitName = /^trait\..{1,100}$/;

export const byCollection = z.strictObject({ address: collectionId });
export const byToken = z.strictObject({ address: collectionId, tokenId: uint256 });

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
    tokenCount: count,
    holderCount: count,
    /** `metadata`: its tokens are still being fetched. */
    completeness: z.enum(['metadata', 'complete']),
    refreshedAt: timestamp.nullable(),
  })
  .meta({ id: 'Collection' });

export const trait = z.strictObject({ type: z.string(), value: z.string() }).meta({ id: 'Trait' });

export const nft = z
  .strictObject({
    tokenId: uint256,
    name: z.string().nullable(),
    imageUrl: z.string().nullable(),
    traits: z.array(trait),
  })
  .meta({ id: 'Nft' });

export const holding = z
  .strictObject({ address: z.string(), tokenCount: count, amount: decimal })
  .meta({ id: 'Holding' });

export const heldCollection = z
  .strictObject({
    address: z.string(),
    name: z.string().nullable(),
    imageUrl: z.string().nullable(),
    tokenCount: count,
    amount: decimal,
    lastOwnedAt: timestamp,
  })
  .meta({ id: 'HeldCollection' });
