import { rm } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { startPostgres } from '../../local/postgres.ts';
import { commit } from '../../shared/changes/commit.ts';
import { closePools } from '../../shared/db/pools.ts';
import { getCache, getRedis } from '../../shared/resources.ts';
import { createCollections } from '../support/collections.ts';
import { migrate } from '../support/migrate.ts';
import { createMovingName } from '../support/moving-name.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-demoted');
const postgres = await startPostgres({ directory, log: () => {} });
const primary = await postgres.connect();
await migrate(primary);
const name = await createMovingName(postgres.writer);
const { call } = await createCollections({
  DATABASE_WRITER_HOST: name.address,
  DATABASE_READER_HOST: postgres.reader,
  DATABASE_ANALYTICS_HOST: postgres.reader,
  DATABASE_NAME: 'postgres',
});
const [host, port] = postgres.reader.split(':');
const standby = new pg.Client({
  host: host!,
  port: Number(port),
  user: 'owner',
  password: 'owner',
  database: 'postgres',
});
await standby.connect();
await waitFor(
  'the standby',
  async () => (await standby.query(`select to_regclass('platform.outbox') as t`)).rows[0].t !== null,
);
afterAll(async () => {
  await standby.query('select pg_wal_replay_resume()').catch(() => {});
  await Promise.all([primary.end(), standby.end()]);
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const rename = (to: string) => commit((tx) => recordCollection(tx, { collection: 'kept', name: to }));
test('a raise does not trust a demoted primary’s generation', async () => {
  const cache = await getCache();
  await cache.renewGeneration();
  await rename('Three');
  // the standby stops replaying, as if it had lost its stream
  await waitFor('the standby', async () => {
    const { rows } = await standby.query(`select name from collections.collections where slug = 'kept'`);
    return rows[0]?.name === 'Three';
  });
  await standby.query('select pg_wal_replay_pause()');
  await primary.query('select platform.revoke_cache_generation()');
  await cache.renewGeneration();
  const { current } = await cache.generation();
  await call('/v1/collections/kept');
  await waitFor('a hit', async () => (await call('/v1/collections/kept')).headers['x-cache'] === 'hit');
  // this change's container died after its commit; its event reaches one that is connected to the demoted primary
  await primary.query(`update collections.collections set name = 'Four' where slug = 'kept'`);
  const { rows } = await primary.query(`select xid::text, entities from platform.outbox order by id desc limit 1`);
  name.moveTo(postgres.reader);
  await closePools();
  const raising = cache.raise(rows[0].entities, Number(rows[0].xid));
  await expect(raising).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  name.moveTo(postgres.writer);
  await waitFor('the writer', () =>
    cache.raise(rows[0].entities, Number(rows[0].xid)).then(
      () => true,
      () => false,
    ),
  );
  expect((await call('/v1/collections/kept')).json.name).toBe('Four');
  const remembered = await (await getRedis()).redis.hget(`${current}:{collections:kept}`, '~f');
  expect(remembered).toContain(rows[0].xid);
  await standby.query('select pg_wal_replay_resume()');
});
