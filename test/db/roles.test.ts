import pg from 'pg';
import { afterAll, expect, inject, test } from 'vitest';
import { startSecrets } from '../../local/secrets.ts';
import { maintainTables } from '../../shared/db/maintenance.ts';
import { closePools } from '../../shared/db/pools.ts';
import { ensureRoles } from '../../shared/db/roles.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

// roles belong to the whole server, so these have names of their own
const suffix = `roles_${process.env.VITEST_POOL_ID ?? 0}`.replace(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!);
const names = Object.fromEntries(['writer', 'worker', 'reader', 'console'].map((role) => [role, `${role}_${suffix}`]));
const secrets = await startSecrets(
  new Map([
    ...Object.entries(names).map(([role, username]) => [role, { username, password: `it's ${role}` }] as const),
    ['owner', { username: 'owner', password: 'owner' }],
  ]),
);
const { pool, name: database } = await createDatabase({
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
  DATABASE_WRITE_SECRET_ARN: 'worker',
  DATABASE_ROLE_SECRETS: JSON.stringify(Object.fromEntries(Object.keys(names).map((role) => [role, role]))),
});
afterAll(async () => {
  await closePools();
  for (const username of Object.values(names)) await pool.query(`drop owned by ${username}; drop role ${username}`);
  await secrets.stop();
});

async function ensure(): Promise<void> {
  const client = await pool.connect();
  await ensureRoles(client).finally(() => client.release());
}

/** The error code of a statement as a role, or `done`. */
async function as(role: string, statement: string): Promise<string> {
  const [host, port] = inject('services').writer.split(':');
  const client = new pg.Client({
    host: host!,
    port: Number(port),
    database,
    user: names[role]!,
    password: `it's ${role}`,
  });
  await client.connect();
  return client
    .query(statement)
    .then(
      () => 'done',
      (error: { code: string }) => error.code,
    )
    .finally(() => client.end());
}
const denied = '42501';

test('every schema is granted, whatever its name, and so are tables that come later', async () => {
  await pool.query('create schema publications; create schema "Odd"; create table publications.items (id integer)');
  await ensure();
  await pool.query('create table "Odd".later (id integer)');
  expect(await as('reader', 'select from publications.items')).toBe('done');
  expect(await as('writer', 'insert into "Odd".later values (1)')).toBe('done');
  expect(await as('reader', 'insert into "Odd".later values (1)')).toBe(denied);
});

test('what a role may not do any more is revoked', async () => {
  await ensure();
  await pool.query(`grant maintain, truncate on all tables in schema wallets to ${names.writer}`);
  await ensure();
  expect(await as('writer', 'truncate wallets.sets')).toBe(denied);
  expect(await as('writer', `insert into wallets.sets values (1, 'Opening Night')`)).toBe('done');
});

test('only roles that write in bulk create temporary tables', async () => {
  await ensure();
  const create = 'create temporary table things (id integer)';
  expect(await Promise.all(['reader', 'console', 'writer', 'worker'].map((role) => as(role, create)))).toEqual([
    denied,
    denied,
    'done',
    'done',
  ]);
});

test('statements end before the functions that run them', async () => {
  await ensure();
  const { rows } = await pool.query<{ role: string; settings: string[] }>(
    'select rolname as role, rolconfig as settings from pg_roles where rolname = any ($1)',
    [Object.values(names)],
  );
  const timeoutOf = (role: string) =>
    rows.find((row) => row.role === names[role])!.settings.find((one) => one.startsWith('statement_timeout='));
  expect(['reader', 'writer', 'worker'].map(timeoutOf)).toEqual([
    'statement_timeout=5s',
    'statement_timeout=20s',
    'statement_timeout=5min',
  ]);
});

test('a VACUUM may take longer than the transactions of its role', async () => {
  await ensure();
  await pool.query(`
    insert into platform.watermarks (name, complete_to) select 'w' || i, now() from generate_series(1, 20000) i;
    update platform.watermarks set updated_at = now();
    alter role ${names.worker} set transaction_timeout = '20ms';
    alter role ${names.worker} set vacuum_cost_delay = '5ms'; alter role ${names.worker} set vacuum_cost_limit = 20`);
  await waitFor('the statistics', async () => {
    const { rows } = await pool.query(
      `select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'watermarks'`,
    );
    return rows[0].dead === 20_000;
  });
  const report = await maintainTables(new Date(Date.now() + 60_000), async () => {});
  expect(report).toContainEqual(expect.objectContaining({ table: 'platform.watermarks', deadRowsBefore: 20_000 }));
});
