import sql, { raw } from 'sql-template-tag';
import { expect, inject, test } from 'vitest';
import { isLeftOut } from '../../shared/db/lag.ts';
import { query, readProvably, type Workload } from '../../shared/db/read.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

// only the primary answers that it is not in recovery, so it takes the place of the reader for analytics
const { pool } = await createDatabase({ DATABASE_ANALYTICS_HOST: inject('services').writer });
const isReplica = async (workload: Workload) =>
  (await query<{ is: boolean }>(sql`select pg_is_in_recovery() as is`, workload))[0]!.is;

for (const [name, code] of [
  ['conflict', '40001'],
  ['crowded', '53300'],
])
  await pool.query(`create function ${name}() returns integer language plpgsql as $$ begin
    if pg_is_in_recovery() then raise exception 'refused' using errcode = '${code}'; end if;
    return 1; end $$`);
await waitFor('the replica', () =>
  readProvably(sql`select to_regproc('crowded') is not null as is`, { host: 'replica' }).then(
    ({ rows }) => (rows[0] as { is: boolean }).is,
    () => false,
  ),
);

test('each workload has its host: what must see the latest change reads the primary', async () => {
  expect(await isReplica('api')).toBe(true);
  expect(await isReplica('sync')).toBe(false);
  expect(await isReplica('alerts')).toBe(false);
  expect(await isReplica('analytics')).toBe(false);
});

test('a recovery conflict costs the reader one query; a lack of connections costs it the next ones too', async () => {
  const readWith = async (refusal: string) =>
    (await query<{ value: number }>(sql`select ${raw(refusal)} as value`, 'api'))[0]!.value;
  expect([await readWith('conflict()'), isLeftOut('reader')]).toEqual([1, false]);
  expect(await isReplica('api')).toBe(true);
  expect([await readWith('crowded()'), isLeftOut('reader')]).toEqual([1, true]);
  expect(await isReplica('api')).toBe(false);
});
