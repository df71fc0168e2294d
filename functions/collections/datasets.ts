/** The files that the collections domain imports from the imports bucket. The keys of `row` are a file's columns. */
import * as z from 'zod';
import { address, isAddress, transactionHash } from '../../shared/kernel/address.ts';
import { defineDatasets } from '../../shared/kernel/dataset.ts';
import { uint256 } from '../../shared/kernel/decimal.ts';
import { instant } from '../../shared/kernel/instant.ts';
import { storedText } from '../../shared/kernel/text.ts';
import { collectionId } from './shapes.ts';

/** A collection as rows name it. No slug begins like an address, so one that does is a mistyped address. */
const collection = collectionId.refine(
  (name) => isAddress(name) || !name.startsWith('0x'),
  'must be 0x and 40 hex digits',
);

const text = storedText(2_000);
/** As the columns of traits are bounded, because an index has both. */
const traitType = storedText(100);
const traitValue = storedText(500);
const slugFromName = z
  .string()
  .transform((name) =>
    name
      .trim()
      .toLowerCase()
      .replace(/[\s_]+/g, '-'),
  )
  .pipe(collection);
/** A decimal number. Spreadsheets write small ones as `1e-18`. */
const price = z.string().regex(/^\d{1,50}(\.\d{1,50})?([eE][+-]?\d{1,3})?$/, 'must be a nonnegative decimal number');

const blockNumber = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const datasets = defineDatasets({
  nfts: {
    summary: "The tokens of a collection. Other columns are stored as the token's attributes.",
    row: z
      .object({
        collection,
        token_id: uint256,
        name: text.optional(),
        description: text.optional(),
        image_url: z.url({ protocol: /^(https?|ipfs|ar|data)$/ }).optional(),
        token_uri: z.string().max(2_000).optional(),
      })
      .catchall(z.string().max(2_000)),
    settable: ['collection'],
  },
  traits: {
    summary: 'The traits of a collection in long form: one row per token and trait value.',
    row: z.strictObject({ collection, token_id: uint256, trait_type: traitType, trait_value: traitValue }),
    settable: ['collection', 'trait_type'],
  },
  transfers: {
    summary: "Transfers of a collection's tokens. The recipient of a token's last transfer in chain order owns it.",
    row: z.strictObject({
      collection: address,
      block_number: blockNumber,
      log_index: z.coerce.number().int().min(0).max(2_147_483_647).optional(),
      block_timestamp: instant.optional(),
      transaction_hash: transactionHash,
      token_id: uint256,
      from_address: address,
      to_address: address,
      amount: uint256.optional(),
      eth_price: price.optional(),
      usd_price: price.optional(),
    }),
    settable: ['collection', 'block_timestamp'],
  },
  users: {
    summary:
      'Farcaster users and their wallets as of a time. A user keeps every wallet ever seen, and the latest username.',
    row: z.strictObject({
      snapshot_at: instant,
      fid: z.coerce.number().int().min(1).max(999_999_999_999_999),
      username: text.optional(),
      wallet_address: address,
      list: z.string().optional(),
      weight: z.string().optional(),
    }),
    settable: ['snapshot_at', 'list'],
  },
  holders: {
    summary: 'Lists of holders with their token counts, each complete as of its time. The latest list counts.',
    row: z.strictObject({
      snapshot_at: instant,
      collection: slugFromName,
      wallet_address: address,
      token_count: z.coerce.number().int().min(1).max(2_147_483_647),
    }),
    settable: ['collection', 'snapshot_at'],
  },
});
