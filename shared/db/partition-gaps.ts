import type { PartitionedTable } from '../kernel/table.ts';
import { boundsOf } from './partition-bounds.ts';
import { declaredPeriods } from './partitions.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** What is wrong with the partitions of a table. */
export interface PartitionGaps {
  /** With its schema. */
  table: string;
  /** The declared periods, such as `202612`, of which some time has no partition: writing a row of it fails. */
  missing: string[];
  /** Rows in a default partition, which belong into a partition of their own. */
  defaultRows: number;
}

/**
 * Compares partitions with what their tables declare, from the current period (of a tiered table, the first that takes
 * rows) to the last one ahead. Returns the tables with a problem.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export function findPartitionGaps(tables: readonly PartitionedTable[], now: Date): Promise<PartitionGaps[]> {
  return inTransaction(async (tx) => {
    const found: PartitionGaps[] = [];
    for (const table of tables) {
      const name = `${table.schema}.${table.name}`;
      const periods = await declaredPeriods(tx, table, now);
      const { rows } = await tx.query<{ label: string }>(
        `select label from unnest($2::timestamptz[], $3::timestamptz[], $4::text[]) as period(since, until, label)
         where not exists (select from (${boundsOf}) as p
           where not p."isPending" and p.since <= period.since and p.until >= period.until)
         order by 1`,
        [name, periods.map(({ from }) => from), periods.map(({ to }) => to), periods.map(({ label }) => label)],
      );
      const defaultRows = await countDefaultRows(tx, name);
      if (rows.length > 0 || defaultRows > 0)
        found.push({ table: name, missing: rows.map(({ label }) => label), defaultRows });
    }
    return found;
  });
}

async function countDefaultRows(tx: Transaction, table: string): Promise<number> {
  const { rows } = await tx.query<{ name: string }>(`select name from (${boundsOf}) as p where bounds = 'DEFAULT'`, [
    table,
  ]);
  if (rows.length === 0) return 0;
  const counted = await tx.query<{ n: number }>(`select count(*)::float8 as n from ${rows[0]!.name}`);
  return counted.rows[0]!.n;
}
