import type * as z from 'zod';
import type { Rejected } from '../../shared/jobs/sync.ts';
import type { Chunk } from './read-statement.ts';
import { maxAheadMicros } from './shapes.ts';
import { columnsOf, type Position, type TableBatch, type WarehouseTable } from './warehouse-table.ts';

type Row = Record<string, unknown>;
type Cells = Record<string, string | null>;

/** Turns a chunk of a result into a batch: the parsed rows, the rejected ones, and the position after it. */
export function toBatch(table: WarehouseTable, at: Position, chunk: Chunk, findsRemoved: boolean): TableBatch<Row> {
  const submittedMicros = BigInt(chunk.createdAt.getTime()) * 1_000n;
  const { rows, rejected } = parseRows(table, chunk, submittedMicros + maxAheadMicros);
  const seen = findsRemoved ? keysOf(table, rows, rejected) : [];
  const before = at.completeToMicros === null ? undefined : BigInt(at.completeToMicros);
  const completeTo = latestChange(table, rows, before, submittedMicros);
  const next: Position = {
    run: at.run,
    statement: chunk.next,
    submittedMicros: String(submittedMicros),
    completeToMicros: completeTo === undefined ? null : String(completeTo),
    unknownKeys: at.unknownKeys + (findsRemoved ? rows.length + rejected.length - seen.length : 0),
    phase: chunk.isLast ? 'noting' : 'reading',
  };
  return {
    rows,
    rejected: rejected.map(({ cells, ...one }) => ({ ...one, row: cells })),
    next,
    percent: (chunk.next.done / Math.max(1, chunk.totalRows)) * 100,
    ...(findsRemoved ? { seen, isFirst: chunk.firstRow === 1 } : {}),
  };
}

type RejectedCells = Omit<Rejected, 'row'> & { cells: Cells };

function parseRows(table: WarehouseTable, chunk: Chunk, latestMicros: bigint) {
  const columns = columnsOf(table);
  const times = columns.filter(({ isTime }) => isTime).map(({ name }) => name);
  const rows: Row[] = [];
  const rejected: RejectedCells[] = [];
  for (const [i, values] of chunk.cells.entries()) {
    const cells: Cells = Object.fromEntries(columns.map(({ name }, n) => [name, values[n] ?? null]));
    const parsed = table.row.safeParse(cells);
    const reasons = parsed.success
      ? times
          .filter((name) => (parsed.data[name] as bigint) > latestMicros)
          .map((name) => `${name} must not be more than a day after the statement`)
      : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    if (parsed.success && reasons.length === 0) rows.push(parsed.data);
    else rejected.push({ position: chunk.firstRow + i, reason: reasons.join('; '), cells });
  }
  return { rows, rejected };
}

/** The keys of rows, also of those rejected rows whose key is valid. */
function keysOf({ row, removal }: WarehouseTable, rows: readonly Row[], rejected: readonly RejectedCells[]): string[] {
  const { key, toStored = (one: string) => one } = removal!;
  const schema = row.shape[key] as z.ZodType<string>;
  const known = rows.map((one) => one[key] as string);
  const rest = rejected.flatMap(({ cells }) => schema.safeParse(cells[key]).data ?? []);
  return [...known, ...rest].map(toStored);
}

/** The time of the latest change in these and all earlier rows, but no later than the statement. */
function latestChange(
  { changedAt }: WarehouseTable,
  rows: readonly Row[],
  before: bigint | undefined,
  submittedMicros: bigint,
): bigint | undefined {
  let latest = before;
  for (const row of rows) {
    const changed = row[changedAt] as bigint;
    if (latest === undefined || changed > latest) latest = changed;
  }
  return latest !== undefined && latest > submittedMicros ? submittedMicros : latest;
}
