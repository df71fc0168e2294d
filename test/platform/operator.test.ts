import { createHash } from 'node:crypto';
import type { APIGatewayRequestAuthorizerEventV2 } from 'aws-lambda';
import pg from 'pg';
import { beforeAll, expect, inject, test, vi } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { handler as authorize } from '../../functions/platform/authorize.ts';
import { platform } from '../../functions/platform/domain.ts';
import { domains } from '../../functions/registry.ts';
import { startSecrets } from '../../local/secrets.ts';
import { commit } from '../../shared/changes/commit.ts';
import { closePools } from '../../shared/db/pools.ts';
import { forgetEnv } from '../../shared/env.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { createCaller } from '../support/api.ts';
import { createCollections } from '../support/collections.ts';
import { waitFor } from '../support/wait-for.ts';

const { call, database } = await createCollections({ QUEUES: '{}' });
const { handler } = await import('../../functions/platform/api.ts');
const operator = createCaller(platform, handler as never);

beforeAll(async () => {
  await commit((tx) => recordCollection(tx, { collection: 'kept', name: 'Kept' }));
});

test('clearing the cache voids all entries, or only those of the named entities', async () => {
  const read = async () => (await call('/v1/collections/kept')).headers['x-cache'];
  await read();
  expect(await read()).toBe('hit');
  const cleared = await operator('/v1/admin/cache/clear', { method: 'POST', body: { entities: ['collections:kept'] } });
  expect([cleared.json.cleared, await read(), await read()]).toEqual(['entities', 'miss', 'hit']);
  expect((await operator('/v1/admin/cache/clear', { method: 'POST' })).json.cleared).toBe('all');
  expect([await read(), await read()]).toEqual(['miss', 'hit']);
  expect((await operator('/v1/admin/cache/clear', { method: 'POST', body: { keys: ['*'] } })).status).toBe(400);
});

test('an explanation shows the entry, the fences with their events, the proofs, and what a read would do', async () => {
  const explain = async (of: string) => (await operator(`/v1/admin/cache/explain?${of}`)).json;
  const url = `url=${encodeURIComponent('/v1/collections/kept')}`;
  await call('/v1/collections/kept');
  const cached = await explain(url);
  expect(cached.read).toMatchObject({ operationId: 'getCollection', outcome: 'hit' });
  expect(cached.entities.map(({ entity }: { entity: string }) => entity)).toEqual([
    'collections:kept',
    'collection-nfts:kept',
    'collection-owners:kept',
  ]);
  expect(cached.entities[0]).toMatchObject({
    tag: expect.any(String),
    views: [{ field: expect.stringMatching(/^getCollection~/) }],
  });
  await commit((tx) => recordCollection(tx, { collection: 'kept', name: 'Changed' }));
  const fenced = await explain(url);
  expect(fenced.read).toMatchObject({ outcome: 'load', proof: expect.stringMatching(/^(snapshot|status|writer)$/) });
  const [entity] = fenced.entities;
  expect(entity.views).toEqual([]);
  expect(entity.fences.at(-1)).toMatchObject({ xid: expect.any(String), events: [{ type: 'collection_updated' }] });
  expect(fenced.hosts).toMatchObject([
    { host: 'reader', answers: true, inRecovery: true, lagMs: expect.any(Number) },
    { host: 'analytics' },
    { host: 'writer', inRecovery: false, proof: 'writer' },
  ]);
  expect((await explain('entity=collections:kept')).read).toBeUndefined();
});

test('with a write transaction open, the reader proves a change by its status, and the explanation says so', async () => {
  const open = await database.pool.connect();
  try {
    await open.query('begin');
    await open.query('select pg_current_xact_id()');
    await commit((tx) => recordCollection(tx, { collection: 'kept', name: 'Changed again' }));
    const url = encodeURIComponent('/v1/collections/kept');
    await waitFor('the reader', async () => {
      const { json } = await operator(`/v1/admin/cache/explain?url=${url}`);
      return json.hosts[0].proof === 'status' && json.read.because.includes('proof 3');
    });
    expect((await call('/v1/collections/kept')).json.name).toBe('Changed again');
    expect((await call('/v1/collections/kept')).headers['x-cache']).toBe('hit');
  } finally {
    await open.query('rollback');
    open.release();
  }
});

test('an explanation names a changed dependency, an expired entry, and an unproven generation', async () => {
  const { getCache, getRedis } = await import('../../shared/resources.ts');
  const explain = async () =>
    (await operator(`/v1/admin/cache/explain?url=${encodeURIComponent('/v1/collections/kept/traits')}`)).json;
  await call('/v1/collections/kept/traits');
  expect((await explain()).read.outcome).toBe('hit');
  const cache = await getCache();
  const { current, since } = await cache.generation();
  await cache.raise(['collections:kept'], since);
  expect((await explain()).read).toMatchObject({
    outcome: 'load',
    because: expect.stringContaining('A fence of collections:kept was raised'),
  });
  await call('/v1/collections/kept/traits');
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
  expect((await explain()).read.because).toContain('The entry has expired.');
  vi.restoreAllMocks();
  // no host can prove a generation from a transaction that does not exist yet
  const { redis } = await getRedis();
  const copy = 'tributary:generation:test';
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 90_000_000);
  await redis.set(copy, `${current} 9007199254740991`, 'PX', 9_000);
  expect((await explain()).hosts.map(({ proof }: { proof: string }) => proof)).toEqual([null, null, null]);
  vi.restoreAllMocks();
  await redis.del(copy);
});

test('if the settings do not accept a status as proof, the explanation shows that the read goes to the writer', async () => {
  const open = await database.pool.connect();
  process.env.REPLICA_PROOFS = 'snapshot';
  forgetEnv();
  try {
    await open.query('begin');
    await open.query('select pg_current_xact_id()');
    await commit((tx) => recordCollection(tx, { collection: 'kept', name: 'Unproven' }));
    const url = encodeURIComponent('/v1/collections/kept');
    await waitFor('the reader', async () => {
      const { json } = await operator(`/v1/admin/cache/explain?url=${url}`);
      return json.hosts[0].proof === 'status' && json.read.proof === 'writer';
    });
  } finally {
    delete process.env.REPLICA_PROOFS;
    forgetEnv();
    await open.query('rollback');
    open.release();
  }
});

test.each([
  ['', 400],
  ['entity=a:b&url=/v1/collections', 400],
  ['url=/v1/health', 400],
  ['url=/v1/collections/0xgg', 400],
  ['url=/v1/nothing', 404],
  ['url=/v1/collections/%25ff', 400],
  ['url=http://[', 400],
])('an explanation of "%s" returns %d', async (of, status) => {
  expect((await operator(`/v1/admin/cache/explain?${of}`)).status).toBe(status);
});

test('the authorizer accepts only the operator’s token', async () => {
  const secrets = await startSecrets(
    new Map([['operator', { sha256: createHash('sha256').update('right').digest('hex') }]]),
  );
  Object.assign(process.env, { ADMIN_TOKEN_SECRET_ARN: 'operator', AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url });
  forgetEnv();
  const authorizeWith = (authorization?: string) =>
    authorize({ headers: { authorization } } as unknown as APIGatewayRequestAuthorizerEventV2);
  expect(
    await Promise.all(['Bearer right', 'Bearer wrong', 'Bearer ', 'Basic right', undefined].map(authorizeWith)),
  ).toEqual([{ isAuthorized: true, context: { role: 'operator' } }, ...Array(4).fill({ isAuthorized: false })]);
  await secrets.stop();
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = inject('services').secretsUrl;
  forgetEnv();
});

test('a new database is migrated once, and its roles have only their own rights', async () => {
  const name = `${database.name}_fresh`;
  await database.pool.query(`create database ${name}`);
  const roles = { writer: `w_${name}`, worker: `k_${name}`, reader: `r_${name}`, console: `c_${name}` };
  const values = Object.entries(roles).map(
    ([role, username]) => [role, { username: username.replace(/\d/g, 'x'), password: `it's ${role}` }] as const,
  );
  const secrets = await startSecrets(new Map([...values, ['owner', { username: 'owner', password: 'owner' }]]));
  Object.assign(process.env, {
    DATABASE_NAME: name,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    DATABASE_ROLE_SECRETS: JSON.stringify(Object.fromEntries(Object.keys(roles).map((role) => [role, role]))),
  });
  forgetEnv();
  await closePools();
  const { migrateDatabase } = await import('../../shared/db/migrate.ts');
  const folder = new URL('../../migrations/', import.meta.url);
  const tables = partitionedTablesOf(domains);
  expect((await migrateDatabase(folder, tables)).length).toBeGreaterThanOrEqual(6);
  // a table that declares partitions later is converted
  const scrapes = ['edition_price_scrape', 'player_price_scrape'].map((table) => ({
    ...{ schema: 'wallets', name: table },
    partitions: { by: 'month', column: 'scraped_at', ahead: 1 } as const,
  }));
  expect(await migrateDatabase(folder, [...tables, ...scrapes])).toEqual([]);
  const as = async (role: string, statement: string) => {
    const { username, password } = Object.fromEntries(values)[role]!;
    const [host, port] = inject('services').writer.split(':');
    const client = new pg.Client({ host: host!, port: Number(port), database: name, user: username, password });
    await client.connect();
    return client
      .query(statement)
      .then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      .finally(() => client.end());
  };
  const denied = '42501';
  expect(await as('writer', `insert into collections.collections (slug) values ('x')`)).toBe('done');
  expect(await as('writer', 'create table collections.more (id integer)')).toBe(denied);
  expect(await as('writer', 'vacuum wallets.sets')).toBe('done');
  expect(
    await as(
      'writer',
      `insert into wallets.player_price_scrape values ('Moses', now() + interval '3 months', 1, 1, 1)`,
    ),
  ).toBe('done');
  expect(await as('reader', 'select * from wallets.edition_price_scrape')).toBe('done');
  expect(await as('reader', 'select * from collections.collections')).toBe('done');
  expect(await as('reader', `select * from platform.take_up_cache_generation('x')`)).toBe('done');
  expect(await as('reader', `insert into collections.collections (slug) values ('y')`)).toBe(denied);
  expect(await as('console', 'delete from platform.jobs')).toBe(denied);
  await closePools();
  await secrets.stop();
  await database.pool.query(`drop database ${name} with (force)`);
  for (const [, { username }] of values) await database.pool.query(`drop role ${username}`);
});
