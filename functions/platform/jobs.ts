/** The jobs of the platform. */
import { defineJobs } from '../../shared/kernel/job.ts';
import { events } from './events.ts';

export const jobs = defineJobs('platform', {
  maintainDatabase: {
    summary: 'Runs VACUUM and ANALYZE on the tables whose statistics call for it, and reports the results.',
    lane: 'bulk',
    schedule: 'cron(40 3 ? * SUN *)',
    on: [events.rowsLoaded],
  },
  verifyReplicas: {
    summary: "Commits a thousand times, checks that the hosts' proofs hold, and reports the results.",
    lane: 'bulk',
    schedule: 'cron(20 3 * * ? *)',
  },
  deleteOldRecords: {
    summary: 'Deletes finished jobs and delivery records of events past their retention.',
    lane: 'bulk',
    schedule: 'cron(50 2 * * ? *)',
  },
});
