import sql, { raw } from 'sql-template-tag';
import type * as z from 'zod';
import type { Changed } from '../../shared/db/changed.ts';
import { query } from '../../shared/db/read.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { type Batch, type Rejected, runSync } from '../../shared/jobs/sync.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { syncParams } from './jobs.ts';
import { type Chunk, readStatement, type StatementPosition, type WantedColumn } from './read-statement.ts';
import { getSnowflake } from './upstreams.ts';

/** A table of the warehouse and how its rows are taken over. */
export interface WarehouseTable<Row> {
  name: string;
  columns: readonly WantedColumn[];
  /** The column that rises with every change: where an incremental sync begins. */
  changedAt: string;
  orderBy: string;
  /** A row by the names of its columns, checked. */
  row: z.ZodType<Row, Record<string, string | null>>;
  changedMicros(row: Row): bigint;
  record(tx: Transaction, rows: Row[]): Promise<Changed>;
  removal?: Removal<Row>;
}

/** How a full sync finds what is gone from the warehouse: by what stands between two rows that follow one another. */
export interface Removal<Row> {
  /** The row's place in the statement's order, as a text that sorts as it. */
  sortKey(row: Row): string;
  /** Notes what stands after one row, up to another (undefined: from the first, to the last) and was not just staged. */
  note(tx: Transaction, run: string, after: Row | undefined, upTo: Row | undefined, before: Date): Promise<void>;
  /** Drops the notes of rows that a later batch of the run has moved elsewhere: they are not gone. */
  forgetMoved?(tx: Transaction, run: string): Promise<void>;
  /** Removes rows by the keys they were noted under; gives how many there were. */
  remove(tx: Transaction, keys: string[]): Promise<number>;
  /** How many rows stand. */
  count: string;
}

/** Changes that commit late, or by a clock that is behind, are found by looking back. */
const overlapMinutes = 15;
const rowsARemoval = 10_000;

interface Position {
  /** The job it is of: another's statement is another's. */
  run: string;
  statement: StatementPosition | null;
  /** The latest change seen, in microseconds. */
  high: string | null;
  lastRow: unknown;
  rejected: number;
  /** `checking`: everything is read, and it is to be decided whether what is missing may be removed. */
  phase: 'reading' | 'checking' | 'removing';
}

interface TableBatch<Row> extends Batch<Row> {
  next: Position | null;
  note?: { after: Row | undefined; upTo: Row | undefined; before: Date };
  remove?: true;
}

/**
 * Takes a table of the warehouse over: all of it, or what has changed. The batches of a run commit in order, each with its
 * checkpoint; a run of any length goes on where its last batch ended.
 *
 * @throws Superseded    another sync of the table is at work
 * @throws InvalidInput  Snowflake refuses the statement, or a column is not what it should be
 * @throws Integrity     too many rows were rejected, or more would be removed than is allowed
 */
export async function syncTable<Row>(
  table: WarehouseTable<Row>,
  { jobId, deadline, params, step }: JobContext,
): Promise<JobOutcome> {
  const { mode, removeAtMost } = syncParams.parse(params);
  const name = `wallets.${table.name}`;
  const since = mode === 'incremental' ? await watermarkOf(name) : undefined;
  const isFull = since === undefined;
  let high: string | null = null;
  let removed = 0;
  await step(isFull ? 'all rows' : `changes since ${since.toISOString()}`);
  const outcome = await runSync<Row, TableBatch<Row>>(
    {
      name,
      read(position) {
        const kept = position as Position | null;
        const at = kept?.run === jobId ? kept : beginningOf(jobId);
        high = at.high;
        return read(table, at, { since, removeAtMost, deadline });
      },
      async apply(tx, rows, batch) {
        high = batch.next?.high ?? high;
        if (batch.remove) {
          const gone = await table.removal!.remove(tx, await takeNotes(tx, jobId));
          removed += gone;
          return { applied: gone, unchanged: 0 };
        }
        const changed = await table.record(tx, rows);
        if (batch.note) {
          const { after, upTo, before } = batch.note;
          await table.removal!.note(tx, jobId, after, upTo, before);
        }
        return changed;
      },
      async finish(tx) {
        await tx.query(
          `insert into platform.watermarks as w (name, complete_to) select $1, to_timestamp($2::numeric / 1000000) where $2 is not null
           on conflict (name) do update set complete_to = greatest(w.complete_to, excluded.complete_to), updated_at = now()`,
          [name, high],
        );
        return undefined;
      },
    },
    { jobId, deadline },
  );
  return outcome === 'continue' ? outcome : { result: { mode: isFull ? 'full' : 'incremental', removed } };
}

/** The next keys that a run noted as missing, taken from the notes. */
async function takeNotes(tx: Transaction, run: string): Promise<string[]> {
  const { rows } = await tx.query<{ key: string }>(
    `delete from wallets.missing_rows
     where run = $1 and key in (select key from wallets.missing_rows where run = $1 order by key limit $2)
     returning key`,
    [run, rowsARemoval],
  );
  return rows.map(({ key }) => key);
}

async function watermarkOf(name: string): Promise<Date | undefined> {
  const [row] = await query<{ since: Date }>(
    sql`select complete_to - make_interval(mins => ${overlapMinutes}) as since from platform.watermarks where name = ${name}`,
    'sync',
  );
  return row?.since;
}

async function* read<Row>(
  table: WarehouseTable<Row>,
  from: Position,
  { since, removeAtMost, deadline }: { since: Date | undefined; removeAtMost: number; deadline: Date },
): AsyncIterable<TableBatch<Row>> {
  let at = from;
  const findsRemoved = since === undefined && table.removal !== undefined;
  if (at.phase === 'reading') {
    if (at.statement === null) await forgetEndedRuns();
    const snowflake = await getSnowflake();
    const place = { run: at.run, position: at.statement ?? undefined, deadline };
    for await (const chunk of readStatement(snowflake, statementOf(table, since), place)) {
      // a result that was asked for anew begins anew
      if (chunk.firstRow === 1) at = { ...at, lastRow: null, rejected: 0 };
      const batch = toBatch(table, at, chunk, findsRemoved);
      at = batch.next!;
      yield batch;
    }
  }
  if (findsRemoved) yield* removals(table, removeAtMost, at);
}

function beginningOf(run: string): Position {
  return { run, statement: null, high: null, lastRow: null, rejected: 0, phase: 'reading' };
}

/** What runs that have ended noted as missing, and did not come to remove. */
async function forgetEndedRuns(): Promise<void> {
  await inTransaction((tx) =>
    tx.query(`delete from wallets.missing_rows m
      where not exists (select 1 from platform.jobs j where j.id = m.run and j.status = 'running')`),
  );
}

function statementOf<Row>({ name, columns, changedAt, orderBy }: WarehouseTable<Row>, since: Date | undefined) {
  const selected = columns.map((column) =>
    column.name === 'WALLET_ADDRESS' ? 'LOWER(WALLET_ADDRESS) AS WALLET_ADDRESS' : column.name,
  );
  const changed = since === undefined ? '' : ` WHERE ${changedAt} >= TO_TIMESTAMP_NTZ(?)`;
  return {
    text: `SELECT ${selected.join(', ')} FROM ${name}${changed} ORDER BY ${orderBy}`,
    bindings: since === undefined ? [] : [since.toISOString().replace('Z', '')],
    columns,
  };
}

function toBatch<Row>(table: WarehouseTable<Row>, at: Position, chunk: Chunk, findsRemoved: boolean): TableBatch<Row> {
  const rows: Row[] = [];
  const rejected: Rejected[] = [];
  let high = at.high === null ? null : BigInt(at.high);
  for (const [i, cells] of chunk.cells.entries()) {
    const record = Object.fromEntries(table.columns.map(({ name }, n) => [name, cells[n] ?? null]));
    const parsed = table.row.safeParse(record);
    if (!parsed.success) {
      const reason = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ');
      rejected.push({ position: chunk.firstRow + i, reason, row: record });
      continue;
    }
    rows.push(parsed.data);
    const changed = table.changedMicros(parsed.data);
    if (high === null || changed > high) high = changed;
  }
  const after = at.lastRow === null ? undefined : table.row.parse(at.lastRow);
  if (findsRemoved) checkOrder(table, after, rows);
  const lastCells = chunk.cells.findLast((_, i) => !rejected.some(({ position }) => position === chunk.firstRow + i));
  const lastRow = lastCells
    ? Object.fromEntries(table.columns.map(({ name }, n) => [name, lastCells[n] ?? null]))
    : at.lastRow;
  const next: Position = {
    run: at.run,
    statement: chunk.next,
    high: high === null ? null : String(high),
    lastRow,
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

/** What is gone is found between two neighbours: rows out of order would make it find what is not. */
function checkOrder<Row>({ name, removal }: WarehouseTable<Row>, after: Row | undefined, rows: readonly Row[]): void {
  let last = after === undefined ? '' : removal!.sortKey(after);
  for (const row of rows) {
    const key = removal!.sortKey(row);
    if (key < last) throw new Integrity(`${name} came out of order: ${key} after ${last}.`);
    last = key;
  }
}

/** What was not found any more, removed batch by batch, if that is to be believed. */
async function* removals<Row>(
  { name, removal }: WarehouseTable<Row>,
  removeAtMost: number,
  at: Position,
): AsyncIterable<TableBatch<Row>> {
  const { run } = at;
  if (removal!.forgetMoved && at.phase === 'checking') await inTransaction((tx) => removal!.forgetMoved!(tx, run));
  const [counted] = await query<{ missing: number; standing: number }>(
    sql`select (select count(*)::integer from wallets.missing_rows where run = ${run}) as missing,
          (${raw(removal!.count)})::integer as standing`,
    'sync',
  );
  const { missing, standing } = counted!;
  if (missing === 0) return;
  const refuse = async (why: string) => {
    await inTransaction((tx) => tx.query('delete from wallets.missing_rows where run = $1', [run]));
    throw new Integrity(`${missing} of ${standing} rows are not in ${name} any more; ${why}`, {
      details: { missing, standing },
    });
  };
  if (at.rejected > 0) await refuse(`none is removed, as ${at.rejected} rows were rejected.`);
  if (at.phase === 'checking' && missing > removeAtMost * standing)
    await refuse(
      `that is over ${removeAtMost * 100} %, so none is removed. Run it with a higher removeAtMost if it is right.`,
    );
  for (let left = missing; left > 0; left -= rowsARemoval)
    yield { rows: [], rejected: [], next: { ...at, phase: 'removing' }, remove: true };
}
