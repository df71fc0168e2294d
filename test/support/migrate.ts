import { runner } from 'node-pg-migrate';
import type pg from 'pg';

/** Applies or reverts the project's migrations. */
export async function migrate(
  dbClient: pg.Client,
  direction: 'up' | 'down' = 'up',
  count = Number.POSITIVE_INFINITY,
): Promise<void> {
  await runner({
    dbClient,
    dir: new URL('../../migrations', import.meta.url).pathname,
    direction,
    count,
    migrationsTable: 'migrations',
    log: () => {},
  });
}
