import { migrateDatabase } from '../../shared/db/migrate.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';
import { domains } from '../registry.ts';

/** Migrates the database before the functions of this deployment get traffic. */
export const handler = invocation<unknown, { applied: string[] }>().handler(async () => {
  const applied = await migrateDatabase(new URL('./migrations/', import.meta.url), partitionedTablesOf(domains));
  log.info('database migrated', { applied });
  return { applied };
});
