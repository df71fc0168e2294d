import type * as z from 'zod';
import type { Changed } from '../../shared/db/changed.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Batch } from '../../shared/jobs/sync.ts';
import type { StatementPosition, WantedColumn } from './read-statement.ts';

/** A table of the warehouse and how its rows are applied. */
export interface WarehouseTable<Row> {
  name: string;
  columns: readonly WantedColumn[];
  /** The column that grows with every change: where an incremental sync begins. */
  changedAt: string;
  orderBy: string;
  /** A row by the names of its columns, parsed. */
  row: z.ZodType<Row, Record<string, string | null>>;
  changedMicros(row: Row): bigint;
  record(tx: Transaction, rows: Row[]): Promise<Changed>;
  removal?: Removal<Row>;
}

/** How a full sync finds what is gone from the warehouse: stored rows between two consecutive rows of its result. */
export interface Removal<Row> {
  /** The row's place in the statement's order, as a text that sorts the same way. */
  sortKey(row: Row): string;
  /**
   * Notes the stored rows after one row, up to another (undefined: from the first, to the last), that were not just
   * staged.
   */
  note(tx: Transaction, run: string, after: Row | undefined, upTo: Row | undefined, before: Date): Promise<void>;
  /** Drops the notes of rows that a later batch of the run moved: they are not gone. */
  forgetMoved?(tx: Transaction, run: string): Promise<void>;
  /** Removes rows by the keys they were noted under. Returns how many. */
  remove(tx: Transaction, keys: string[]): Promise<number>;
  /** Counts the stored rows. */
  count: string;
}

/** How far a run has come; what its checkpoint stores. */
export interface Position {
  /** The job that it belongs to: another job has another statement. */
  run: string;
  statement: StatementPosition | null;
  /** The latest change seen, in microseconds. */
  high: string | null;
  lastRow: unknown;
  rejected: number;
  /** `checking`: everything is read; the run decides whether to remove what is missing. */
  phase: 'reading' | 'checking' | 'removing';
}

export interface TableBatch<Row> extends Batch<Row> {
  next: Position | null;
  note?: { after: Row | undefined; upTo: Row | undefined; before: Date };
  remove?: true;
}

/** What one run does. */
export interface SyncPlan {
  name: string;
  mode: 'full' | 'incremental';
  /** Where an incremental run begins. */
  since: Date | undefined;
  /** Whether it looks for rows that are gone. */
  findsRemoved: boolean;
  maxRemovedShare: number;
  statement: { text: string; bindings: string[]; columns: readonly WantedColumn[] };
}

/** Plans a run. Without a watermark an incremental run reads everything. */
export function planSync<Row>(table: WarehouseTable<Row>, since: Date | undefined, maxRemovedShare: number): SyncPlan {
  const { name, columns, changedAt, orderBy } = table;
  const selected = columns.map((column) =>
    column.name === 'WALLET_ADDRESS' ? 'LOWER(WALLET_ADDRESS) AS WALLET_ADDRESS' : column.name,
  );
  const changed = since === undefined ? '' : ` WHERE ${changedAt} >= TO_TIMESTAMP_NTZ(?)`;
  return {
    name: `wallets.${name}`,
    mode: since === undefined ? 'full' : 'incremental',
    since,
    findsRemoved: since === undefined && table.removal !== undefined,
    maxRemovedShare,
    statement: {
      text: `SELECT ${selected.join(', ')} FROM ${name}${changed} ORDER BY ${orderBy}`,
      bindings: since === undefined ? [] : [since.toISOString().replace('Z', '')],
      columns,
    },
  };
}

/** The position at which a run begins. */
export function beginningOf(run: string): Position {
  return { run, statement: null, high: null, lastRow: null, rejected: 0, phase: 'reading' };
}
