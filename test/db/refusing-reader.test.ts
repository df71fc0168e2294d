import { rm } from 'node:fs/promises';
import sql, { raw } from 'sql-template-tag';
import { afterAll, expect, test } from 'vitest';
import { startPostgres } from '../../local/postgres.ts';
import type { Load } from '../../shared/cache/view.ts';
import { measureLag } from '../../shared/db/lag.ts';
import { readProvably } from '../../shared/db/read.ts';
import { createTestCache, viewOf } from '../support/cache.ts';
import { createDatabase } from '../support/database.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-refusals');
const postgres = await startPostgres({ directory, log: () => {} });
await createDatabase({
  DATABASE_WRITER_HOST: postgres.writer,
  DATABASE_READER_HOST: postgres.reader,
  DATABASE_ANALYTICS_HOST: postgres.reader,
  DATABASE_NAME: 'postgres',
});
const primary = await postgres.connect();
await primary.query('create table things (value integer)');
await primary.query('insert into things values (0)');
await primary.query(`create function conflict() returns integer language plpgsql as $$ begin
  if pg_is_in_recovery() then
    raise exception 'canceling statement due to conflict with recovery' using errcode = '40001';
  end if;
  return 1; end $$`);
await primary.query(`create function crowded() returns integer language plpgsql as $$ begin
  if pg_is_in_recovery() then raise exception 'sorry, too many clients already' using errcode = '53300'; end if;
  return 1; end $$`);
afterAll(async () => {
  await primary.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});
const onReplica = () => readProvably<{ value: number }>(sql`select value from things`, { host: 'replica' });
await waitFor('the replica', async () => (await onReplica().catch(() => undefined))?.rows[0]?.value === 0);
await waitFor('crowded', async () => (await measureLag('reader')) === 0);
const { cache } = await createTestCache();

test.each(['conflict()', 'crowded()'])(
  'if only the replica rejects a read, with %s, the primary answers it',
  async (refusal) => {
    const load: Load = async (source) => {
      const { rows, evidence } = await readProvably<{ value: number }>(sql`select ${raw(refusal)} as value`, source);
      return { evidence, status: 200, body: String(rows[0]!.value) };
    };
    expect((await cache.read(viewOf(`things:${refusal}`), load)).outcome).toBe('miss');
  },
);
