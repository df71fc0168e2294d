/** The jobs of the platform. */
import { defineJobs } from '../../shared/kernel/job.ts';
import { events } from './events.ts';

export const jobs = defineJobs('platform', {
  maintainDatabase: {
    summary: 'Runs VACUUM and ANALYZE on the tables whose statistics call for it, with a report.',
    lane: 'bulk',
    schedule: 'cron(40 3 ? * SUN *)',
    on: [events.rowsLoaded],
  },
  verifyReplicas: {
    summary: 'Commits a thousand times and checks that readers show what they prove to show, with a report.',
    lane: 'bulk',
    schedule: 'cron(20 3 * * ? *)',
  },
  deleteOldRecords: {
    summary: 'Deletes finished jobs, and what became of events, after their retention.',
    lane: 'bulk',
    schedule: 'cron(50 2 * * ? *)',
  },
});
