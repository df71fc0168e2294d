import { inTransaction } from '../db/transaction.ts';
import type { TieredTable } from '../kernel/table.ts';
import { type Batch, rowsIn } from './batch.ts';
import type { MonthFile } from './catalog.ts';
import { type Month, nameOf } from './export.ts';
import { fileSource } from './objects.ts';
import { rowText } from './read.ts';
import { fileRows, openFile } from './read-file.ts';

const rowsPerStatement = 5_000;

/**
 * Deletes the late rows of a month that equal a row of its file. One that differs, because it came or changed after the
 * export, stays. Returns how many were deleted.
 *
 * @throws Unavailable  the database or S3 failed (retryable)
 */
export async function deleteLateRows(table: TieredTable, month: Month, file: MonthFile): Promise<number> {
  const name = nameOf(table);
  if (!(await hasLateRows(table, month))) return 0;
  let deleted = 0;
  for await (const rows of fileChunks(file)) {
    deleted += await inTransaction(async (tx) => {
      await tx.query(`set local platform.moves_tiers = 'on'`);
      const { rowCount } = await tx.query(
        `delete from ${name}_late as l using unnest($1::${name}[]) as f
         where l.${table.tiers.series} = f.${table.tiers.series} and l.${table.column} = f.${table.column}
           and (l.*) is not distinct from (f.*)`,
        [rows],
      );
      return rowCount ?? 0;
    });
  }
  return deleted;
}

async function hasLateRows(table: TieredTable, { from, to }: Month): Promise<boolean> {
  return inTransaction(async (tx) => {
    const { rowCount } = await tx.query(
      `select from ${nameOf(table)}_late where ${table.column} >= $1 and ${table.column} < $2 limit 1`,
      [from, to],
    );
    return rowCount !== 0;
  });
}

/** The rows of a file as arrays of the table's row type, in Postgres' text format. */
export async function* fileChunks(file: MonthFile): AsyncIterable<string> {
  const opened = await openFile(fileSource(file), file.etag, file.manifest.footer);
  const toText = rowText(file.manifest.columns, opened.columns);
  for await (const batch of fileRows(opened))
    for (let first = 0; first < rowsIn(batch); first += rowsPerStatement) yield literal(batch, first, toText);
}

function literal(batch: Batch, first: number, toText: (batch: Batch, i: number) => string): string {
  const count = Math.min(rowsPerStatement, rowsIn(batch) - first);
  return `{${Array.from({ length: count }, (_, i) => toText(batch, first + i)).join(',')}}`;
}
