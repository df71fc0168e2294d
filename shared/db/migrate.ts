import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { PartitionedTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { convertToPartitions } from './convert-to-partitions.ts';
import { createPartitions } from './partitions.ts';
import { pool } from './pools.ts';
import { ensureRoles } from './roles.ts';

const advisoryLock = 7_216_305_441;

/**
 * Applies the pending migrations in a folder, then creates roles and partitions. A table that declares partitions, and has
 * rows but no partitions, is converted. Concurrent deployments wait for each other. Returns the names of the applied
 * migrations.
 *
 * @throws Conflict     a table cannot be converted: the message says why
 * @throws Unavailable  the database failed, or a transaction kept a table from being converted (retryable)
 */
export async function migrateDatabase(folder: URL, tables: readonly PartitionedTable[]): Promise<string[]> {
  const client = await (await pool('writer')).connect();
  try {
    await client.query('select pg_advisory_lock($1)', [advisoryLock]);
    const applied = await runner({
      dbClient: client,
      dir: fileURLToPath(folder),
      direction: 'up',
      migrationsTable: 'migrations',
      noLock: true,
      log: (message) => log.debug(message),
    });
    await ensureRoles(client);
    for (const table of tables) await convertToPartitions(table);
    await createPartitions(tables, new Date());
    return applied.map(({ name }) => name);
  } finally {
    await client.query('select pg_advisory_unlock_all()');
    client.release();
  }
}
