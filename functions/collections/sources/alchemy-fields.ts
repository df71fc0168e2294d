/** The fields that Alchemy's API and its webhooks share. The webhook's endpoint must not load the API's client. */
import * as z from 'zod';

const uint256Limit = 2n ** 256n;

/** A token id or an amount, in decimal or hex depending on the API. Parsed to a decimal string. */
export const wholeNumber = z
  .string()
  .regex(/^(\d{1,78}|0x[0-9a-fA-F]{1,64})$/, 'must be a whole number below 2^256, in decimal or hex')
  .transform(BigInt)
  .refine((value) => value < uint256Limit, 'must be below 2^256')
  .transform(String);

/** The tokens of an ERC-1155 transfer. Their order is their `batchIndex`, which is stored in 16 bits. */
export const erc1155Metadata = z
  .array(z.object({ tokenId: wholeNumber, value: wholeNumber }))
  .max(32_768)
  .nullish();

/** A block number or the place of a log in its block, in hex. Parsed to a number, at most 2^52 - 1. */
export const hexNumber = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,13}$/, 'must be a number in hex')
  .transform(Number);

/** The place of a log in its block, which is stored in 32 bits. */
export const logIndex = z.number().int().min(0).max(2_147_483_647);
