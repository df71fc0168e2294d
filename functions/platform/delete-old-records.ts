import { deleteOldRecords as deleteOld } from '../../shared/jobs/retention.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';

/** Deletes finished jobs and delivery records of events past their retention. Its result has the counts. */
export const deleteOldRecords = handleJob(jobs.deleteOldRecords, async () => ({ result: await deleteOld() }));
