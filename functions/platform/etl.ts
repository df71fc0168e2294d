import { createEtl } from '../../shared/jobs/etl.ts';
import { deleteOldRecords } from './delete-old-records.ts';
import { platform } from './domain.ts';
import { maintainDatabase } from './maintain-database.ts';
import { createVerifyReplicas } from './verify-replicas.ts';

const jobs = { maintainDatabase, verifyReplicas: createVerifyReplicas(), deleteOldRecords };

export const handler = createEtl(platform, jobs, {});
