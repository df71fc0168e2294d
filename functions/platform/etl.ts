import { createEtl } from '../../shared/jobs/etl.ts';
import { platform } from './domain.ts';
import { maintainDatabase } from './maintain-database.ts';
import { createVerifyReplicas } from './verify-replicas.ts';

export const handler = createEtl(platform, { maintainDatabase, verifyReplicas: createVerifyReplicas() }, {});
