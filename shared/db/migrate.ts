import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import * as z from 'zod';
import { env, roleSecrets } from '../env.ts';
import { log } from '../observability/log.ts';
import { secret } from '../secrets.ts';
import { createPartitions } from './partitions.ts';
import { pool } from './pools.ts';

const credentials = z.object({ username: z.string().regex(/^[a-z_]+$/), password: z.string() });

/** What each role may do beyond logging in, and how long. `null`: as the cluster says. */
const roles = {
  writer: {
    // maintain: VACUUM and ANALYZE
    privileges: 'select, insert, update, delete, maintain',
    statementTimeout: '60s',
    transactionTimeout: '120s',
    lockTimeout: '10s',
  },
  reader: { privileges: 'select', statementTimeout: '5s', transactionTimeout: '10s', lockTimeout: '1s' },
  console: { privileges: 'select', statementTimeout: '30s', transactionTimeout: '60s', lockTimeout: '1s' },
} as const;

const advisoryLock = 7_216_305_441;

/**
 * Applies the migrations in a folder, one deployment at a time, then sees to the roles and the outbox's partitions.
 * Gives the names of those applied.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export async function migrateDatabase(folder: URL): Promise<string[]> {
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
    for (const [name, rights] of Object.entries(roles)) await seeToRole(client, name as keyof typeof roles, rights);
    await createPartitions();
    return applied.map(({ name }) => name);
  } finally {
    await client.query('select pg_advisory_unlock_all()');
    client.release();
  }
}

interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, string>[] }>;
}

async function seeToRole(
  client: Queryable,
  name: keyof typeof roles,
  rights: (typeof roles)[keyof typeof roles],
): Promise<void> {
  const { username, password } = await secret(roleSecrets()[name], credentials);
  const quoted = await client.query(`select quote_literal($1) as password, quote_ident($2) as database`, [
    password,
    env('DATABASE_NAME'),
  ]);
  const { password: literal, database } = quoted.rows[0]!;
  const exists = await client.query('select 1 from pg_roles where rolname = $1', [username]);
  if (exists.rows.length === 0) await client.query(`create role ${username} login`);
  // a password cannot be a parameter; the literal is Postgres's own quoting
  await client.query(`alter role ${username} with login password ${literal}`);
  const settings = {
    statement_timeout: rights.statementTimeout,
    transaction_timeout: rights.transactionTimeout,
    lock_timeout: rights.lockTimeout,
    idle_in_transaction_session_timeout: '30s',
  };
  for (const [setting, value] of Object.entries(settings))
    await client.query(`alter role ${username} set ${setting} = '${value}'`);
  const { rows } = await client.query(
    `select nspname as schema from pg_namespace where nspname !~ '^(pg_|information_schema|public)' order by 1`,
  );
  await client.query(`grant connect${name === 'writer' ? ', temporary' : ''} on database ${database} to ${username}`);
  for (const { schema } of rows) {
    await client.query(`grant usage on schema ${schema} to ${username}`);
    await client.query(`grant ${rights.privileges} on all tables in schema ${schema} to ${username}`);
    await client.query(`grant usage on all sequences in schema ${schema} to ${username}`);
    await client.query(`grant execute on all functions in schema ${schema} to ${username}`);
    await client.query(
      `alter default privileges in schema ${schema} grant ${rights.privileges} on tables to ${username}`,
    );
  }
}
