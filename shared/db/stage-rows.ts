import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { type CopyType, type CopyValue, encodeCopy } from './copy-binary.ts';
import type { Transaction } from './transaction.ts';

/**
 * Puts rows into a new temporary table, which goes with the transaction: the first step of every write in bulk. What
 * stands already is then joined out, and the rest inserted in the order of its key.
 *
 * The table has the given columns and `position`, which counts the rows from 1.
 *
 * @param columns  name → SQL type; names are the code's own, never a caller's
 */
export async function stageRows(
  tx: Transaction,
  table: string,
  columns: Record<string, CopyType>,
  rows: Iterable<readonly CopyValue[]>,
): Promise<void> {
  const names = Object.keys(columns);
  const definitions = names.map((name) => `${name} ${columns[name]}`).join(', ');
  await tx.query(`drop table if exists pg_temp.${table}`);
  await tx.query(`create temporary table ${table} (position integer, ${definitions}) on commit drop`);
  const copy = tx.query(copyFrom(`copy pg_temp.${table} (position, ${names.join(', ')}) from stdin (format binary)`));
  await pipeline(Readable.from(encodeCopy(Object.values(columns), rows)), copy);
  await tx.query(`analyze pg_temp.${table}`);
}
