import { rm } from 'node:fs/promises';
import pg from 'pg';
import sql from 'sql-template-tag';
import { afterAll, expect, test } from 'vitest';
import { startPostgres } from '../../local/postgres.ts';
import { hostForReads, measureLag } from '../../shared/db/lag.ts';
import { readProvably } from '../../shared/db/read.ts';
import { createDatabase } from '../support/database.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-lag');
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
afterAll(async () => {
  await primary.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const onReplica = () => readProvably<{ value: number }>(sql`select value from things`, { host: 'replica' });

test('a replica’s answer never claims to be newer than a change that it does not show', async () => {
  await waitFor('the replica', async () => (await onReplica().catch(() => undefined))?.rows[0]?.value === 0);
  await postgres.setApplyDelay(300);
  let lagging = 0;
  for (let value = 1; value <= 30; value++) {
    await primary.query('update things set value = $1', [value]);
    const committedAt = Date.now();
    for (let i = 0; i < 5; i++) {
      const { rows, asOf, evidence } = await onReplica();
      if (evidence.host === 'writer' || rows[0]!.value >= value) continue;
      lagging++;
      expect(asOf.getTime()).toBeLessThanOrEqual(committedAt);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(lagging).toBeGreaterThan(20);
  await postgres.setApplyDelay(0);
});

test('a replica that has lost its stream cannot know its lag, and is left out', async () => {
  await waitFor('the replica', async () => (await measureLag('reader')) === 0);
  const [host, port] = postgres.reader.split(':');
  const standby = new pg.Client({
    host: host!,
    port: Number(port),
    user: 'owner',
    password: 'owner',
    database: 'postgres',
  });
  await standby.connect();
  await standby.query(`alter system set primary_conninfo = 'host=127.0.0.1 port=1'`);
  await standby.query('select pg_reload_conf()');
  await standby.end();
  await primary.query('select pg_terminate_backend(pid) from pg_stat_replication');
  await waitFor('the end of the stream', async () => (await measureLag('reader')) === undefined);
  await primary.query('update things set value = 100');
  await waitFor('the writer', async () => (await hostForReads('reader')) === 'primary');
  expect((await onReplica()).rows[0]!.value).toBe(100);
});
