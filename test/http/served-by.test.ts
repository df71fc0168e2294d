/** `x-served-by` says what an answer was read from, and `explain` why. */
import { rm } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handler as platformApi } from '../../functions/platform/api.ts';
import { platform } from '../../functions/platform/domain.ts';
import { startPostgres } from '../../local/postgres.ts';
import { createCaller } from '../support/api.ts';
import { createCollections } from '../support/collections.ts';
import { migrate } from '../support/migrate.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const directory = await tempFolder('tributary-served-by');
const postgres = await startPostgres({ directory, log: () => {} });
const { call } = await createCollections({
  DATABASE_WRITER_HOST: postgres.writer,
  DATABASE_READER_HOST: postgres.reader,
  DATABASE_ANALYTICS_HOST: postgres.reader,
  DATABASE_NAME: 'postgres',
  DATABASE_LAG_THRESHOLD_MS: '1000',
});
const explain = createCaller(platform, platformApi as never);
let primary: pg.Client;
let ticking: NodeJS.Timeout;
beforeAll(async () => {
  primary = await postgres.connect();
  await migrate(primary);
  await primary.query(
    `insert into collections.collections (slug, name, refreshed_at) select 'slug-' || n, 'Hats', now() from generate_series(0, 9999) as n`,
  );
  await primary.query('create table ticks (at timestamptz)');
  // a lag shows only while something is committed
  ticking = setInterval(() => void primary.query('insert into ticks values (now())').catch(() => {}), 100);
});
afterAll(async () => {
  clearInterval(ticking);
  await primary.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

let n = 0;
/** What serves a read that nobody made before. */
async function servedBy(): Promise<string | undefined> {
  const { headers } = await call(`/v1/collections/slug-${n++}`);
  return headers['x-served-by'];
}
const explained = async () => (await explain(`/v1/admin/cache/explain?url=/v1/collections/slug-${n++}`)).json.read;

test('an answer says whether the cache, the reader, or the writer served it', async () => {
  await waitFor('the reader', async () => (await servedBy()) === 'reader');
  const { headers } = await call('/v1/collections/slug-0');
  expect([headers['x-cache'], headers['x-served-by']]).toEqual(['hit', 'cache']);
  expect(await explained()).toMatchObject({ servedBy: 'reader', because: expect.stringContaining('The reader') });
});

test('reads leave a replica that is 5 s behind for the writer, and return once', async () => {
  await waitFor('the reader', async () => (await servedBy()) === 'reader');
  await postgres.setApplyDelay(5_000);
  await waitFor('the writer', async () => (await servedBy()) === 'writer');
  const { servedBy: server, because } = await explained();
  expect([server, because]).toEqual([
    'writer',
    expect.stringMatching(/the reader is not in use, because its lag is [1-5]\d{3} ms/),
  ]);

  const changes: (string | undefined)[] = [];
  const look = async () => {
    const server = await servedBy();
    if (server !== changes.at(-1)) changes.push(server);
    return server;
  };
  // while it lags, it stays out
  for (let i = 0; i < 100; i++) await look();
  expect(changes).toEqual(['writer']);
  await postgres.setApplyDelay(0);
  await waitFor('the reader', async () => (await look()) === 'reader');
  for (let i = 0; i < 100; i++) await look();
  expect(changes).toEqual(['writer', 'reader']);
  expect((await explained()).servedBy).toBe('reader');
});
