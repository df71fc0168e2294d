import type * as z from 'zod';
import { toSnakeCase } from './event.ts';

interface DatasetSpec {
  summary: string;
  /** The schema of one row. Its keys are the file's columns; other columns are rejected unless it has a catchall. */
  row: z.ZodType;
  /** Alternative column names in files: `token_id` → `moment_id`. */
  aliases?: Readonly<Record<string, string>>;
  /** Columns that `--set` may supply for every row. */
  settable?: readonly string[];
}

/** A kind of file that can be uploaded to the imports bucket. */
export interface DatasetDeclaration<Key extends string = string, Row extends z.ZodType = z.ZodType>
  extends DatasetSpec {
  key: Key;
  /** Its name within the domain, as used in file keys and the API: `set_tiers` for the key `setTiers`. */
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
