import type * as z from 'zod';
import { toSnakeCase } from './event.ts';

interface DatasetSpec {
  summary: string;
  /** One row after parsing. Its keys are the file's columns; others are refused unless it has a catchall. */
  row: z.ZodType;
  /** Other names that a file may have for a column: `token_id` → `moment_id`. */
  aliases?: Readonly<Record<string, string>>;
  /** Columns that `--set` may supply for every row. */
  settable?: readonly string[];
  /** The share of rejected rows above which the run fails. Default 0.01. */
  maxRejectedShare?: number;
}

/** A kind of file that may be dropped into the imports bucket. */
export interface DatasetDeclaration<Key extends string = string, Row extends z.ZodType = z.ZodType>
  extends DatasetSpec {
  key: Key;
  /** Its name within the domain, as files and the API have it: `set_tiers` for the key `setTiers`. */
  name: string;
  row: Row;
  settable: readonly string[];
}

/** Declares the datasets of a domain. */
export function defineDatasets<Specs extends Record<string, DatasetSpec>>(
  specs: Specs,
): { readonly [Key in keyof Specs & string]: DatasetDeclaration<Key, Specs[Key]['row']> } {
  return Object.fromEntries(
    Object.entries(specs).map(([key, spec]) => [key, { settable: [], ...spec, key, name: toSnakeCase(key) }]),
  ) as never;
}
