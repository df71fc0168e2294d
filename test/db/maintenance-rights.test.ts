import { afterAll, expect, test } from 'vitest';
import { startSecrets } from '../../local/secrets.ts';
import { closePools } from '../../shared/db/pools.ts';
import { ensureRoles } from '../../shared/db/roles.ts';
import { createDatabase } from '../support/database.ts';

// roles belong to the whole server, so these have names of their own
const roles = ['writer', 'worker', 'reader', 'console'];
const nameOf = (role: string) => `${role}_maintaining`;
const secrets = await startSecrets(
  new Map([...roles, 'owner'].map((role) => [role, { username: nameOf(role), password: role }])),
);
const { pool } = await createDatabase({
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
  DATABASE_ROLE_SECRETS: JSON.stringify(Object.fromEntries(roles.map((role) => [role, role]))),
});
afterAll(async () => {
  await closePools();
  for (const role of roles) await pool.query(`drop owned by ${nameOf(role)}; drop role ${nameOf(role)}`);
  await secrets.stop();
});

test('only workers may vacuum and analyze tables, also those that are created later', async () => {
  const client = await pool.connect();
  await ensureRoles(client).finally(() => client.release());
  await pool.query('create table wallets.later (id integer)');
  for (const table of ['wallets.sets', 'wallets.later']) {
    const { rows } = await pool.query<{ role: string }>(
      `select role from unnest($1::text[]) as role where has_table_privilege(role, $2, 'maintain')`,
      [roles.map(nameOf), table],
    );
    expect([table, rows.map(({ role }) => role)]).toEqual([table, [nameOf('worker')]]);
  }
});
