import type * as z from 'zod';
import type { Changed } from '../../shared/db/changed.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Batch } from '../../shared/jobs/sync.ts';
import type { ExpectedColumn, StatementPosition } from './read-statement.ts';
import { warehouseTime } from './warehouse-values.ts';

/** A table of the warehouse, and how its rows are applied. */
export interface WarehouseTable<Row extends z.ZodObject = z.ZodObject> {
  name: string;
  /** The columns that are read, each with the schema of its cells. Those of `warehouseTime` are times. */
  row: Row;
  /** The column that increases with every change, a time. An incremental sync filters by it. */
  changedAt: keyof Row['shape'] & string;
  orderBy: string;
  record(tx: Transaction, rows: z.output<Row>[]): Promise<Changed>;
  removal?: Removal<keyof Row['shape'] & string>;
}

/** Declares a table of the warehouse. Its rows arrive parsed. */
export function defineWarehouseTable<Row extends z.ZodObject>(table: WarehouseTable<Row>): WarehouseTable {
  return table as unknown as WarehouseTable;
}

/** The stored rows that a full sync removes if its result lacks them. */
export interface Removal<Column extends string = string> {
  /** The column that identifies a row. */
  key: Column;
  table: string;
  /** The stored column that identifies a row, and its type. */
  storedKey: { column: string; type: 'bigint' | 'bytea' };
  /** The text of a stored key, from the parsed one. Default: the same. */
  toStored?(key: string): string;
  /** SQL: the stored rows that a result should have. Default: all. */
  where?: string;
  /** The stored column with the time of a row's last event. A result lacks what happened after it. */
  eventAt?: string;
  /** Blocks other writers, if they rely on it. */
  lock?(tx: Transaction): Promise<void>;
}

/** How far a run has gotten. Stored in its checkpoint. */
export interface Position {
  /** The id of its job. Another job has its own statement. */
  run: string;
  statement: StatementPosition | null;
  /** When the statement was submitted, by the warehouse's clock, in microseconds since 1970. */
  submittedMicros: string | null;
  /** The latest change in the rows read so far, but no later than the statement, in microseconds since 1970. */
  completeToMicros: string | null;
  /** The number of rejected rows of which not even the key is known. */
  unknownKeys: number;
  /** `noting`: all rows are read, and the run decides whether to remove the missing ones. */
  phase: 'reading' | 'noting' | 'removing';
}

export interface TableBatch<Row> extends Batch<Row> {
  next: Position;
  /** The keys of its rows, as stored, for a run that looks for missing rows. */
  seen?: string[];
  /** Whether it begins the result, again if a previous result expired. */
  isFirst?: boolean;
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
  statement: { table: string; text: string; bindings: string[]; columns: readonly ExpectedColumn[] };
}

/** Plans a run. Without a watermark (`since`), it reads all rows. */
export function planSync(table: WarehouseTable, since: Date | undefined, maxRemovedShare: number): SyncPlan {
  const { name, changedAt, orderBy } = table;
  const columns = columnsOf(table);
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
      table: name,
      text: `SELECT ${selected.join(', ')} FROM ${name}${changed} ORDER BY ${orderBy}`,
      bindings: since === undefined ? [] : [since.toISOString().replace('Z', '')],
      columns,
    },
  };
}

/** The columns of a table that are read, in order. */
export function columnsOf({ row }: WarehouseTable): ExpectedColumn[] {
  return Object.entries(row.shape).map(([name, schema]) => ({ name, isTime: schema === warehouseTime }));
}

/** The position at which a run starts. */
export function initialPosition(run: string): Position {
  return { run, statement: null, submittedMicros: null, completeToMicros: null, unknownKeys: 0, phase: 'reading' };
}
