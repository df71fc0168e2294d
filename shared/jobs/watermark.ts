/**
 * Watermarks: the time up to which the changes of a source are complete, by the source's clock. One that is further in the
 * future than clocks differ was taken from a row with a wrong date: it is not believed, and the next one replaces it.
 */
import sql from 'sql-template-tag';
import { query } from '../db/read.ts';
import type { Transaction } from '../db/transaction.ts';

const maxClockDifference = '15 minutes';

/**
 * The time from which an incremental sync must read: `overlapMinutes` before the time up to which the last sync had
 * every change, because changes may commit late or with a slow clock. Undefined before the first sync, and if the
 * watermark is in the future.
 */
export async function watermarkOf(name: string, overlapMinutes: number): Promise<Date | undefined> {
  const [row] = await query<{ since: Date }>(
    sql`select complete_to - make_interval(mins => ${overlapMinutes}) as since from platform.watermarks
        where name = ${name} and complete_to < now() + ${maxClockDifference}::interval`,
    'sync',
  );
  return row?.since;
}

/** Raises the watermark to a time in microseconds since 1970. Never lowers it, unless it is in the future. */
export async function raiseWatermark(tx: Transaction, name: string, completeToMicros: string | null): Promise<void> {
  if (completeToMicros === null) return;
  await tx.query(
    `insert into platform.watermarks as w (name, complete_to) values ($1, to_timestamp($2::numeric / 1000000))
     on conflict (name) do update set updated_at = now(), complete_to = greatest(
       case when w.complete_to < now() + $3::interval then w.complete_to end, excluded.complete_to)`,
    [name, completeToMicros, maxClockDifference],
  );
}
