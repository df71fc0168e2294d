import { rm } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { startPostgres } from '../../local/postgres.ts';
import { startRedis } from '../../local/redis.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { migrate } from '../support/migrate.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-faults');
const [postgres, redis] = await Promise.all([startPostgres({ directory, log: () => {} }), startRedis(() => {}, '')]);
const client = await postgres.connect();
await migrate(client);
await client.end();
const { call } = await createCollections({
  DATABASE_WRITER_HOST: postgres.writer,
  DATABASE_READER_HOST: postgres.reader,
  DATABASE_ANALYTICS_HOST: postgres.reader,
  DATABASE_NAME: 'postgres',
  REDIS_URL: redis.url,
});
afterAll(async () => {
  await Promise.all([postgres.stop(), redis.stop()]);
  await rm(directory, { recursive: true, force: true });
});

const read = () => call('/v1/collections/some-list');

test('with a lagging replica, a read shows what was written before it', async () => {
  await postgres.setApplyDelay(2_000);
  expect((await read()).status).toBe(404);
  await commit((tx) => recordCollection(tx, { collection: 'some-list', name: 'One' }));
  expect((await read()).json.name).toBe('One');
  await commit((tx) => recordCollection(tx, { collection: 'some-list', name: 'Two' }));
  expect((await read()).json.name).toBe('Two');
  await postgres.setApplyDelay(0);
});

test('what the replica does not have yet is read from the primary, not fetched from the upstream', async () => {
  const address = `0x${'d1'.repeat(20)}`;
  await postgres.setApplyDelay(5_000);
  await commit(async (tx) => {
    await recordCollection(tx, { collection: address, name: 'Harbour' });
    await tx.query(`update collections.collections set refreshed_at = now() where name = 'Harbour'`);
  });
  // fetching it from the upstream would fail with 502: nothing listens there
  const { status, json } = await call(`/v1/collections/${address}`);
  expect([status, json.name]).toEqual([200, 'Harbour']);
  await postgres.setApplyDelay(0);
});

test('with the replica stopped, reads go to the primary', async () => {
  await postgres.stopReplica();
  for (let i = 0; i < 5; i++) {
    await commit((tx) => recordCollection(tx, { collection: 'some-list', name: `Three ${i}` }));
    const { status, json } = await read();
    expect([status, json.name]).toEqual([200, `Three ${i}`]);
  }
  await postgres.startReplica();
});

test('with Redis stalled, reads continue from the database, and use Redis again when it is back', async () => {
  redis.process!.kill('SIGSTOP');
  const answers = await Promise.all(Array.from({ length: 30 }, read));
  // first from the primary; once the breaker is open, from a replica, as a bypass
  for (const { status, headers } of answers) expect(`${status} ${headers['x-cache']}`).toMatch(/^200 (miss|bypass)$/);
  await waitFor('the breaker', async () => (await read()).headers['x-cache'] === 'bypass');
  const fenced = await call('/v1/collections/some-list', { headers: { 'cache-control': 'no-cache' } });
  expect([fenced.status, fenced.headers['x-cache']]).toEqual([200, 'miss']);
  redis.process!.kill('SIGCONT');
  await waitFor('a hit', async () => (await read()).headers['x-cache'] === 'hit');
});

test('with Redis killed, reads and writes continue', async () => {
  redis.process!.kill('SIGKILL');
  await commit((tx) => recordCollection(tx, { collection: 'some-list', name: 'Four' }));
  await waitFor('the change', async () => (await read()).json.name === 'Four');
  expect((await read()).status).toBe(200);
});
