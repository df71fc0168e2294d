import sql from 'sql-template-tag';
import { query } from '../db/read.ts';
import type { Transaction } from '../db/transaction.ts';

/**
 * The time from which an incremental sync must read: `overlapMinutes` before the time up to which the last sync had
 * every change, because changes may commit late or with a slow clock. Undefined before the first sync.
 */
export async function watermarkOf(name: string, overlapMinutes: number): Promise<Date | undefined> {
  const [row] = await query<{ since: Date }>(
    sql`select complete_to - make_interval(mins => ${overlapMinutes}) as since from platform.watermarks where name = ${name}`,
    'sync',
  );
  return row?.since;
}

/** Raises the watermark to a time in microseconds since 1970. Never lowers it. */
export async function raiseWatermark(tx: Transaction, name: string, completeToMicros: string | null): Promise<void> {
  if (completeToMicros === null) return;
  await tx.query(
    `insert into platform.watermarks as w (name, complete_to) values ($1, to_timestamp($2::numeric / 1000000))
     on conflict (name) do update set complete_to = greatest(w.complete_to, excluded.complete_to), updated_at = now()`,
    [name, completeToMicros],
  );
}
