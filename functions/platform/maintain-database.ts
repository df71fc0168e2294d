import { type Maintained, maintainTables } from '../../shared/db/maintenance.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';

/**
 * Runs VACUUM and ANALYZE on the tables whose statistics call for it. Its result is the report. Does nothing if another
 * maintenance run is in progress, and reports that.
 */
export const maintainDatabase = handleJob(jobs.maintainDatabase, async ({ step, ...run }) => {
  await step('statistics');
  const report = await maintainTables(run.deadline, async ({ table, left }: Maintained, remaining) => {
    await step(table);
    const percent = 100 / (1 + remaining);
    const counts = { read: 1, applied: left ? 0 : 1, unchanged: left ? 1 : 0, rejected: 0 };
    await inTransaction((tx) => addProgress(tx, run, counts, percent));
  });
  return { result: report ? { tables: report } : { skipped: 'Another maintenance run is in progress.' } };
});
