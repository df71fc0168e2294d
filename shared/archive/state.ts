/** The row of a month in `platform.archives`. */
import { inTransaction, type Transaction } from '../db/transaction.ts';
import type { Manifest, MonthFile } from './catalog.ts';
import type { Month } from './export.ts';

export type State =
  | 'exporting'
  | 'exported'
  | 'uploaded'
  | 'verified'
  | 'switched'
  | 'detaching'
  | 'dropped'
  | 'restored'
  | 'expired';

/** A version of a file on its way. */
export interface NextVersion {
  key: string;
  etag?: string;
  bytes?: number;
  manifest?: Manifest;
}

export interface MonthState {
  state: State;
  /** The file that readers use. */
  file: MonthFile | undefined;
  next: NextVersion | null;
  previousKey: string | null;
  partition: { name: string; bounds: string } | null;
  heldUntil: Date | null;
  /** How long readers have used the file, in milliseconds, by the database's clock. */
  readForMs: number;
}

/** The first instant after a month. */
export function monthOf(day: string): Month {
  const from = new Date(`${day}T00:00:00Z`);
  return { day, from, to: new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1)) };
}

export async function stateOf(
  db: Pick<Transaction, 'query'>,
  table: string,
  { day }: Month,
): Promise<MonthState | undefined> {
  const { rows } = await db.query<Omit<MonthState, 'file'> & MonthFile>(
    `select state, next, previous_key as "previousKey", partition, held_until as "heldUntil",
       coalesce(extract(epoch from clock_timestamp() - read_since) * 1000, 0)::float8 as "readForMs",
       month::text, key, etag, bytes::float8, rows::float8, manifest
     from platform.archives where name = $1 and month = $2`,
    [table, day],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { month, key, etag, bytes, rows: count, manifest, ...rest } = row;
  const isRead = key !== null && rest.state !== 'restored' && rest.state !== 'expired';
  return {
    ...rest,
    file: key === null ? undefined : ({ month, key, etag, bytes, rows: count, manifest, isRead } as MonthFile),
  };
}

/** Moves a month to a state, and sets other columns of its row, in a transaction of its own. */
export function moveTo(
  table: string,
  month: Month,
  state: State,
  set?: string,
  values?: readonly unknown[],
): Promise<void> {
  return inTransaction((tx) => setState(tx, table, month, state, set, values));
}

/** Moves a month to a state, and sets other columns of its row. `set` is SQL; its parameters begin with $4. */
export async function setState(
  tx: Transaction,
  table: string,
  { day }: Month,
  state: State,
  set = '',
  values: readonly unknown[] = [],
): Promise<void> {
  await tx.query(
    `insert into platform.archives as a (name, month, state) values ($1, $2, $3)
     on conflict (name, month) do nothing`,
    [table, day, state],
  );
  await tx.query(
    `update platform.archives set state = $3, changed_at = now()${set === '' ? '' : `, ${set}`}
     where name = $1 and month = $2`,
    [table, day, state, ...values],
  );
}
