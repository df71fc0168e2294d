import type pg from 'pg';
import * as z from 'zod';
import { env, roleSecrets } from '../env.ts';
import { secret } from '../secrets.ts';

interface RoleRights {
  /** On all tables of all schemas. */
  privileges: string;
  /** `create temporary table`, for bulk writes. */
  temporary?: true;
  statementTimeout: string;
  transactionTimeout: string;
  lockTimeout: string;
}

/** The roles besides the owner. Statement timeouts are shorter than those of the functions that connect as the role. */
const roles: Record<'writer' | 'worker' | 'reader' | 'console', RoleRights> = {
  /** Writes by API functions (30 s) and consumers (60 s). */
  writer: {
    privileges: 'select, insert, update, delete',
    temporary: true,
    statementTimeout: '20s',
    transactionTimeout: '25s',
    lockTimeout: '10s',
  },
  /** Jobs (15 min). `maintain` is for VACUUM and ANALYZE. */
  worker: {
    privileges: 'select, insert, update, delete, maintain',
    temporary: true,
    statementTimeout: '5min',
    transactionTimeout: '10min',
    lockTimeout: '10s',
  },
  /** Reads by API functions. */
  reader: { privileges: 'select', statementTimeout: '5s', transactionTimeout: '10s', lockTimeout: '1s' },
  /** People. */
  console: { privileges: 'select', statementTimeout: '30s', transactionTimeout: '60s', lockTimeout: '1s' },
};

const credentials = z.object({ username: z.string().regex(/^[a-z_]+$/), password: z.string() });

/** Ensures that every role exists, with the password from its secret and the rights above. */
export async function ensureRoles(client: pg.ClientBase): Promise<void> {
  const database = await quotedDatabase(client);
  // Postgres lets everybody create temporary tables
  await client.query(`revoke temporary on database ${database} from public`);
  for (const [name, rights] of Object.entries(roles)) {
    const { username, password } = await secret(roleSecrets()[name as keyof typeof roles], credentials);
    await ensureLogin(client, username, password);
    await setTimeouts(client, username, rights);
    await grantRights(client, username, rights);
  }
}

async function ensureLogin(client: pg.ClientBase, username: string, password: string): Promise<void> {
  const exists = await client.query('select 1 from pg_roles where rolname = $1', [username]);
  if (exists.rowCount === 0) await client.query(`create role ${username} login`);
  // ALTER ROLE takes no parameters, so Postgres quotes the password
  const quoted = await client.query<{ literal: string }>('select quote_literal($1) as literal', [password]);
  await client.query(`alter role ${username} with login password ${quoted.rows[0]!.literal}`);
}

async function setTimeouts(client: pg.ClientBase, username: string, rights: RoleRights): Promise<void> {
  const settings = {
    statement_timeout: rights.statementTimeout,
    transaction_timeout: rights.transactionTimeout,
    lock_timeout: rights.lockTimeout,
    idle_in_transaction_session_timeout: '30s',
  };
  for (const [setting, value] of Object.entries(settings))
    await client.query(`alter role ${username} set ${setting} = '${value}'`);
}

/** In one transaction: what a role lost since the last deployment is revoked, and it keeps the rest throughout. */
async function grantRights(
  client: pg.ClientBase,
  username: string,
  { privileges, temporary }: RoleRights,
): Promise<void> {
  const schemas = await client.query<{ schema: string }>(
    `select quote_ident(nspname) as schema from pg_namespace
     where nspname !~ '^pg_' and nspname not in ('information_schema', 'public') order by 1`,
  );
  const grants = schemas.rows.flatMap(({ schema }) => [
    `grant usage on schema ${schema} to ${username}`,
    `revoke all on all tables in schema ${schema} from ${username}`,
    `grant ${privileges} on all tables in schema ${schema} to ${username}`,
    `grant usage on all sequences in schema ${schema} to ${username}`,
    `grant execute on all functions in schema ${schema} to ${username}`,
    `alter default privileges in schema ${schema} revoke all on tables from ${username}`,
    `alter default privileges in schema ${schema} grant ${privileges} on tables to ${username}`,
  ]);
  const connects = `grant connect${temporary ? ', temporary' : ''} on database ${await quotedDatabase(client)} to ${username}`;
  await client.query(['begin', connects, ...grants, 'commit'].join('; '));
}

async function quotedDatabase(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ name: string }>('select quote_ident($1) as name', [env('DATABASE_NAME')]);
  return rows[0]!.name;
}
