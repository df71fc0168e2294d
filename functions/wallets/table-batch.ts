import type { Rejected } from '../../shared/jobs/sync.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import type { Chunk } from './read-statement.ts';
import type { Position, TableBatch, WarehouseTable } from './warehouse-table.ts';

/**
 * Turns a chunk of a result into a batch: the parsed rows, the rejected ones, and the position after it.
 *
 * @throws Integrity  the rows are out of order, so a full sync could not find missing rows
 */
export function toBatch<Row>(
  table: WarehouseTable<Row>,
  at: Position,
  chunk: Chunk,
  findsRemoved: boolean,
): TableBatch<Row> {
  const { rows, rejected, lastRow } = parseCells(table, chunk);
  const after = at.lastRow === null ? undefined : table.row.parse(at.lastRow);
  if (findsRemoved) checkOrder(table, after, rows);
  const next: Position = {
    run: at.run,
    statement: chunk.next,
    high: latestChange(table, rows, at.high),
    lastRow: lastRow ?? at.lastRow,
    rejected: at.rejected + rejected.length,
    phase: chunk.isLast ? 'checking' : 'reading',
  };
  const note = { after, upTo: chunk.isLast ? undefined : rows.at(-1), before: chunk.createdAt };
  return {
    rows,
    rejected,
    next,
    percent: (chunk.next.done / Math.max(1, chunk.totalRows)) * 100,
    ...(findsRemoved && (rows.length > 0 || chunk.isLast) ? { note } : {}),
  };
}

function parseCells<Row>(table: WarehouseTable<Row>, chunk: Chunk) {
  const rows: Row[] = [];
  const rejected: Rejected[] = [];
  let lastRow: Record<string, string | null> | undefined;
  for (const [i, cells] of chunk.cells.entries()) {
    const record = Object.fromEntries(table.columns.map(({ name }, n) => [name, cells[n] ?? null]));
    const parsed = table.row.safeParse(record);
    if (parsed.success) {
      rows.push(parsed.data);
      lastRow = record;
      continue;
    }
    const reason = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ');
    rejected.push({ position: chunk.firstRow + i, reason, row: record });
  }
  return { rows, rejected, lastRow };
}

/** The time of the latest change in these and all earlier rows. */
function latestChange<Row>(table: WarehouseTable<Row>, rows: readonly Row[], before: string | null): string | null {
  let high = before === null ? null : BigInt(before);
  for (const row of rows) {
    const changed = table.changedMicros(row);
    if (high === null || changed > high) high = changed;
  }
  return high === null ? null : String(high);
}

function checkOrder<Row>({ name, removal }: WarehouseTable<Row>, after: Row | undefined, rows: readonly Row[]): void {
  let last = after === undefined ? '' : removal!.sortKey(after);
  for (const row of rows) {
    const key = removal!.sortKey(row);
    if (key < last)
      throw new Integrity(
        `Rows of ${name} are out of order: ${key} follows ${last}. Check how the warehouse sorts them.`,
      );
    last = key;
  }
}
