import { rm } from 'node:fs/promises';
import pg from 'pg';
import sql from 'sql-template-tag';
import { afterAll, expect, test } from 'vitest';
import { startPostgres } from '../../local/postgres.ts';
import type { Load } from '../../shared/cache/view.ts';
import { readProvably } from '../../shared/db/read.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { createTestCache, viewOf } from '../support/cache.ts';
import { createDatabase } from '../support/database.ts';
import { createMovingName } from '../support/moving-name.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-failover');
const postgres = await startPostgres({ directory, log: () => {} });
const writer = await createMovingName(postgres.writer);
await createDatabase({
  DATABASE_WRITER_HOST: writer.address,
  DATABASE_READER_HOST: postgres.reader,
  DATABASE_ANALYTICS_HOST: postgres.reader,
  DATABASE_NAME: 'postgres',
});
const primary = await postgres.connect();
await primary.query('create table things (value integer)');
await primary.query('insert into things values (1)');
const [host, port] = postgres.reader.split(':');
const standby = new pg.Client({
  host: host!,
  port: Number(port),
  user: 'owner',
  password: 'owner',
  database: 'postgres',
});
await standby.connect();
await waitFor('the standby', async () => (await standby.query(`select to_regclass('things') as t`)).rows[0].t !== null);
afterAll(async () => {
  await Promise.all([primary.end(), standby.end()]);
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const { cache } = await createTestCache({ replicaProofs: 'none' });
const load: Load = async (source) => {
  const { rows, evidence } = await readProvably<{ value: number }>(sql`select value from things`, source);
  return { evidence, status: 200, body: String(rows[0]!.value) };
};
let entities = 0;
const read = async () => (await cache.read(viewOf(`things:${++entities}`), load)).entry.body.toString();
const write = () => inTransaction((tx) => tx.query('update things set value = value'));

test('a container still connected to a demoted primary can write again once the name has moved', async () => {
  writer.moveTo(postgres.reader);
  await expect(write()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  writer.moveTo(postgres.writer);
  await waitFor('a write', () =>
    write().then(
      () => true,
      () => false,
    ),
  );
});

test('a demoted primary answers no reads; the new one does once the name has moved', async () => {
  expect(await read()).toBe('1');
  // the pooled connections lead to a server in recovery
  writer.moveTo(postgres.reader);
  const { evidence } = await readProvably(sql`select 1`, { host: 'writer' });
  await readProvably(sql`select 1`, { host: 'writer', insteadOf: evidence });
  await expect(read()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  writer.moveTo(postgres.writer);
  expect(await read()).toBe('1');
});

test('an isolated old primary answers no reads of what has changed since', async () => {
  expect(await read()).toBe('1');
  await standby.query('select pg_promote(true)');
  // the old primary continues unaware, and the container stays connected to it
  const { rows } = await standby.query<{ xid: string }>(
    'update things set value = 2 returning pg_current_xact_id()::text as xid',
  );
  const changed = `things:${entities + 1}`;
  await cache.raise([changed], Number(rows[0]!.xid));
  writer.moveTo(postgres.reader);
  expect(await read()).toBe('2');
});
