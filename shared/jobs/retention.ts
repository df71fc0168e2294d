import { inTransaction } from '../db/transaction.ts';

/** As long as the outbox keeps events. */
const keptDays = 14;
/** Of jobs that failed or were cancelled. */
const failuresKeptDays = 90;

/** Deletes jobs that ended, and what became of events, after their retention. Returns how many. */
export async function deleteOldRecords(): Promise<{ jobs: number; deliveries: number }> {
  return inTransaction(async (tx) => {
    const deliveries = await tx.query(
      'delete from platform.event_deliveries where at < now() - make_interval(days => $1)',
      [keptDays],
    );
    const jobs = await tx.query(
      `delete from platform.jobs where finished_at < now()
         - make_interval(days => case when status = 'succeeded' then $1::integer else $2::integer end)`,
      [keptDays, failuresKeptDays],
    );
    return { jobs: jobs.rowCount ?? 0, deliveries: deliveries.rowCount ?? 0 };
  });
}
