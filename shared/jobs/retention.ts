import { inTransaction } from '../db/transaction.ts';

/** The same as for events in the outbox. */
const retentionDays = 14;
/** For jobs that failed or were cancelled, and for what failed and was not tried again since. */
const failureRetentionDays = 90;

/** Deletes ended jobs, event deliveries and quarantined units past their retention. Returns how many of each. */
export async function deleteOldRecords(): Promise<{ jobs: number; deliveries: number; quarantined: number }> {
  return inTransaction(async (tx) => {
    const deliveries = await tx.query(
      'delete from platform.event_deliveries where at < now() - make_interval(days => $1)',
      [retentionDays],
    );
    const jobs = await tx.query(
      `delete from platform.jobs where finished_at < now()
         - make_interval(days => case when status = 'succeeded' then $1::integer else $2::integer end)`,
      [retentionDays, failureRetentionDays],
    );
    const quarantined = await tx.query(
      'delete from platform.quarantine where failed_at < now() - make_interval(days => $1)',
      [failureRetentionDays],
    );
    return { jobs: jobs.rowCount ?? 0, deliveries: deliveries.rowCount ?? 0, quarantined: quarantined.rowCount ?? 0 };
  });
}
