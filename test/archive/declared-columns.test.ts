/** The columns that a tiered table declares are those that it has. */
import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();

test.each(tieredTablesOf(domains).map((table) => [`${table.schema}.${table.name}`, table] as const))(
  '%s declares all of its columns',
  async (name, { tiers }) => {
    const { rows } = await pool.query(
      `select attname as name, format_type(atttypid, null) as type from pg_attribute
       where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
      [name],
    );
    const inDatabase = rows.map((row) => [row.name, row.type.replace('timestamp with time zone', 'timestamptz')]);
    expect(Object.entries(tiers.columns)).toEqual(inDatabase);
  },
);
