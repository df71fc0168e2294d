import { type Maintained, maintainTables } from '../../shared/db/maintenance.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { addProgress } from '../../shared/jobs/job.ts';

/**
 * The job: VACUUM and ANALYZE of the tables whose statistics say that it pays; the report is the job's result. Never two
 * at once: the second leaves, and says so.
 */
export async function maintainDatabase({ jobId, deadline, step }: JobContext): Promise<JobOutcome> {
  await step('statistics');
  const report = await maintainTables(deadline, async ({ table, left }: Maintained, remaining) => {
    await step(`${table} is done`);
    const percent = 100 / (1 + remaining);
    const counts = { read: 1, applied: left ? 0 : 1, unchanged: left ? 1 : 0, rejected: 0 };
    await inTransaction((tx) => addProgress(tx, jobId, counts, percent));
  });
  return { result: report ? { tables: report } : { left: 'another maintenance is at work' } };
}
