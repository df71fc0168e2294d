import * as z from 'zod';

const uint256Limit = 2n ** 256n;

/** A uint256 as a decimal string without leading zeros: a token id, an amount. Never a float. */
export const uint256 = z
  .string()
  .regex(/^(0|[1-9]\d{0,77})$/, { error: 'must be a whole number from 0 to 2^256 - 1, in decimal', abort: true })
  .refine((text) => text.length < 78 || BigInt(text) < uint256Limit, 'must be below 2^256');

/** A decimal string, as `numeric` columns read and write it: `12`, `0.0005`. */
export const decimal = z.string().regex(/^-?(0|[1-9]\d*)(\.\d+)?$/, 'must be a decimal number');
