/** The platform's work outside requests. */
import * as z from 'zod';
import type { JobDeclaration } from '../../shared/kernel/declaration.ts';

export const maintainDatabase: JobDeclaration = {
  name: 'maintainDatabase',
  summary: 'VACUUM and ANALYZE of the tables whose statistics say that it pays, with a report.',
  params: z.strictObject({}),
  schedule: 'cron(40 3 ? * SUN *)',
  on: ['rows_loaded'],
};

export const verifyReplicas: JobDeclaration = {
  name: 'verifyReplicas',
  summary: 'Commits a thousand times and checks that readers show what they prove to show, with a report.',
  params: z.strictObject({}),
  schedule: 'cron(20 3 * * ? *)',
};
