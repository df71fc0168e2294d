import type { TieredTable } from '../kernel/table.ts';
import type { Transaction } from './transaction.ts';

/** The columns of a tiered table besides its series and time, in order; each quoted where needed. */
export interface ValueColumn {
  name: string;
  /** As SQL, without precision. */
  type: string;
}

/** Reads the columns from the catalog. */
export async function valueColumns(
  tx: Transaction,
  { schema, name, column, tiers }: TieredTable,
): Promise<ValueColumn[]> {
  const { rows } = await tx.query<ValueColumn>(
    `select quote_ident(attname) as name, format_type(atttypid, null) as type from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attname <> all($2) order by attnum`,
    [`${schema}.${name}`, [tiers.series, column]],
  );
  return rows;
}
