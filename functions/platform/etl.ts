import { createEtl } from '../../shared/jobs/etl.ts';
import { platform } from './domain.ts';
import { maintainDatabase } from './maintain-database.ts';

export const handler = createEtl(platform, { maintainDatabase }, {});
