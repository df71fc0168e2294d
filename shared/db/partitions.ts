import { inTransaction } from './transaction.ts';

const daysAhead = 14;
const daysKept = 14;
/** Of jobs that failed or were cancelled; the others go with the events. */
const daysFailuresAreKept = 90;

/**
 * Makes the outbox's partitions for the next two weeks, and drops those older than two weeks in which every event is
 * published, and jobs that ended long ago; gives how many partitions of each.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export async function createPartitions(): Promise<{ created: number; dropped: number }> {
  return inTransaction(async (tx) => {
    const { rows } = await tx.query<{ created: number }>('select platform.create_outbox_partitions($1) as created', [
      daysAhead,
    ]);
    const old = await tx.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'platform.outbox'::regclass and c.relname < 'outbox_' || to_char(current_date - $1::integer, 'YYYYMMDD')`,
      [daysKept],
    );
    let dropped = 0;
    for (const { name } of old.rows) {
      const waiting = await tx.query(`select 1 from platform.${name} where published_at is null limit 1`);
      if (waiting.rowCount !== 0) continue;
      await tx.query(`drop table platform.${name}`);
      dropped++;
    }
    await tx.query(`delete from platform.event_deliveries where at < now() - make_interval(days => $1)`, [daysKept]);
    await tx.query(
      `delete from platform.jobs where finished_at < now() - make_interval(days => case when status = 'succeeded' then $1::integer else $2::integer end)`,
      [daysKept, daysFailuresAreKept],
    );
    return { created: rows[0]!.created, dropped };
  });
}
