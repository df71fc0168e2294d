import sql from 'sql-template-tag';
import { query } from '../db/read.ts';
import type { Transaction } from '../db/transaction.ts';

/**
 * Where an incremental sync begins: a little before the time up to which the last sync had every change, because changes
 * may commit late or by a slow clock. Undefined if there was no sync yet.
 */
export async function watermarkOf(name: string, overlapMinutes: number): Promise<Date | undefined> {
  const [row] = await query<{ since: Date }>(
    sql`select complete_to - make_interval(mins => ${overlapMinutes}) as since from platform.watermarks where name = ${name}`,
    'sync',
  );
  return row?.since;
}

/** Raises the watermark to a time in microseconds since 1970. It never falls. */
export async function raiseWatermark(tx: Transaction, name: string, completeToMicros: string | null): Promise<void> {
  if (completeToMicros === null) return;
  await tx.query(
    `insert into platform.watermarks as w (name, complete_to) values ($1, to_timestamp($2::numeric / 1000000))
     on conflict (name) do update set complete_to = greatest(w.complete_to, excluded.complete_to), updated_at = now()`,
    [name, completeToMicros],
  );
}
