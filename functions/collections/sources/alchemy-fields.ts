/** The fields that Alchemy's API and its webhooks share. The webhook's endpoint must not load the API's client. */
import * as z from 'zod';

/** A token id, in decimal or hex depending on the API. Parsed to a decimal string. */
export const tokenNumber = z
  .string()
  .regex(/^(\d+|0x[0-9a-fA-F]+)$/, 'must be a whole number, in decimal or hex')
  .transform((value) => BigInt(value).toString());

/** A block number or a log index, in hex. Parsed to a number, at most 2^52 - 1. */
export const hexNumber = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,13}$/)
  .transform(Number);
