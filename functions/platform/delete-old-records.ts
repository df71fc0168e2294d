import { deleteOldRecords as deleteOld } from '../../shared/jobs/retention.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';

/** Deletes finished jobs, and what became of events, after their retention. Its result says how many. */
export const deleteOldRecords = handleJob(jobs.deleteOldRecords, async () => ({ result: await deleteOld() }));
