/** Where a tiered table takes rows: itself for open months, `…_late` for those that are closed. See migration 0022. */
import type { Transaction } from './transaction.ts';

/**
 * The start of the first month that a table takes rows of. Rows before it belong into its late rows. It stays until the
 * transaction ends.
 *
 * @param table  with its schema
 */
export async function closedUntil(tx: Transaction, table: string): Promise<Date> {
  const { rows } = await tx.query<{ closed_until: Date }>(
    'select closed_until from platform.tiers where name = $1 for share',
    [table],
  );
  return rows[0]!.closed_until;
}

/** The table of rows of closed months. */
export function lateTableOf(table: string): string {
  return `${table}_late`;
}
