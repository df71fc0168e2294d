/** Schemas for the cells of the warehouse. Snowflake returns each cell as a string or null. */
import * as z from 'zod';
import { toMicros } from './read-statement.ts';

/** A time of any kind and precision, in microseconds since 1970. */
export const warehouseTime = z
  .string()
  .regex(/^-?\d{1,12}(\.\d{1,9})?( \d{1,4})?$/, 'must be a timestamp')
  .transform(toMicros);

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
