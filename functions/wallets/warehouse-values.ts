/** Schemas for the cells of the warehouse. Snowflake returns each cell as a string or null. */
import * as z from 'zod';
import { storedText } from '../../shared/kernel/text.ts';

const epochText = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?(?: \d{1,4})?$/;
/** The year 1 in UTC, in microseconds since 1970. */
const earliestMicros = -62_135_596_800_000_000n;

/** A time of any kind and precision, in microseconds since 1970. */
export const warehouseTime = z
  .string()
  .regex(epochText, { error: 'must be a timestamp', abort: true })
  .transform(toMicros)
  .refine((micros) => micros >= earliestMicros, 'must not be before the year 1');

export const warehouseFlag = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1');

/** A whole number that fits an integer column. */
export const warehouseInteger = z
  .string()
  .regex(/^\d{1,10}$/, 'must be a whole number')
  .transform(Number)
  .pipe(z.int().max(2_147_483_647));

export const warehousePrice = z.string().regex(/^\d{1,30}(\.\d{1,18})?$/, 'must be a nonnegative decimal number');

/** A name, or null. */
export const warehouseName = storedText(500).nullable();

/**
 * Converts a Snowflake timestamp of any type and precision (`1613864607.123456789`, with a time zone `… 1440`) to
 * microseconds since 1970, rounded down.
 */
export function toMicros(cell: string): bigint {
  const [, sign, seconds, fraction = ''] = epochText.exec(cell)!;
  const nanos = BigInt(seconds!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  const signed = sign === '-' ? -nanos : nanos;
  return signed >= 0n ? signed / 1_000n : -((-signed + 999n) / 1_000n);
}
