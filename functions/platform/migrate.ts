import type { Context } from 'aws-lambda';
import { migrateDatabase } from '../../shared/db/migrate.ts';
import { log } from '../../shared/observability/log.ts';

/** Brings the database up to this deployment, before its functions take traffic. */
export const handler = async (_event: unknown, _context: Context): Promise<{ applied: string[] }> => {
  const applied = await migrateDatabase(new URL('./migrations/', import.meta.url));
  log.info('the database is up to date', { applied });
  return { applied };
};
