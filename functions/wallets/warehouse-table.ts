import type * as z from 'zod';
import type { Changed } from '../../shared/db/changed.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Batch } from '../../shared/jobs/sync.ts';
import type { ExpectedColumn, StatementPosition } from './read-statement.ts';

/** A table of the warehouse, and how its rows are applied. */
export interface WarehouseTable<Row> {
  name: string;
  columns: readonly ExpectedColumn[];
  /** The column that increases with every change. An incremental sync filters by it. */
  changedAt: string;
  orderBy: string;
  /** Parses a row, keyed by column name. */
  row: z.ZodType<Row, Record<string, string | null>>;
  changedMicros(row: Row): bigint;
  record(tx: Transaction, rows: Row[]): Promise<Changed>;
  removal?: Removal<Row>;
}

/** How a full sync finds missing rows: stored rows that sort between two consecutive rows of its result. */
export interface Removal<Row> {
  /** A string that sorts like the row in the statement's order. */
  sortKey(row: Row): string;
  /**
   * Notes the stored rows that sort after one row (undefined: the first) through another (undefined: the last), and that
   * are not in the batch just staged. `before` is when the statement was submitted.
   */
  noteMissing(tx: Transaction, run: string, after: Row | undefined, upTo: Row | undefined, before: Date): Promise<void>;
  /** Deletes the notes of rows that a later batch of the run moved, because they are not missing. */
  forgetMoved?(tx: Transaction, run: string): Promise<void>;
  /** Removes rows by the keys they were noted under, and returns how many. */
  remove(tx: Transaction, keys: string[]): Promise<number>;
  /** A query that counts the stored rows. */
  count: string;
}

/** How far a run has gotten. Stored in its checkpoint. */
export interface Position {
  /** The id of its job. Another job has its own statement. */
  run: string;
  statement: StatementPosition | null;
  /** The latest change seen, in microseconds. */
  high: string | null;
  lastRow: unknown;
  rejected: number;
  /** `checking`: all rows are read, and the run decides whether to remove the missing ones. */
  phase: 'reading' | 'checking' | 'removing';
}

export interface TableBatch<Row> extends Batch<Row> {
  next: Position | null;
  note?: { after: Row | undefined; upTo: Row | undefined; before: Date };
  remove?: true;
}

/** What a run does. */
export interface SyncPlan {
  name: string;
  mode: 'full' | 'incremental';
  /** The start of an incremental run. */
  since: Date | undefined;
  /** Whether it looks for missing rows. */
  findsRemoved: boolean;
  maxRemovedShare: number;
  statement: { text: string; bindings: string[]; columns: readonly ExpectedColumn[] };
}

/** Plans a run. Without a watermark (`since`), it reads all rows. */
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

/** The position at which a run starts. */
export function initialPosition(run: string): Position {
  return { run, statement: null, high: null, lastRow: null, rejected: 0, phase: 'reading' };
}
