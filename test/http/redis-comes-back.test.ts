import { afterAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { startRedis } from '../../local/redis.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { createMovingName } from '../support/moving-name.ts';
import { waitFor } from '../support/wait-for.ts';

const redis = await startRedis(() => {}, '');
const server = redis.url.replace('redis://', '');
const name = await createMovingName(server);
const { call, database } = await createCollections({ REDIS_URL: `redis://${name.address}` });
const { handler: invalidate } = await import('../../functions/platform/invalidate-cache.ts');
afterAll(() => redis.stop());

const read = async (headers = {}) => {
  const { headers: answered, json } = await call('/v1/collections/kept', { headers });
  return { cache: answered['x-cache'], name: json?.name as string };
};
const rename = (name: string) => commit((tx) => recordCollection(tx, { collection: 'kept', name }));

/** Delivers the latest change's event, as its queue would. */
async function deliver(queue = 'invalidate-cache', receives = 1) {
  const { rows } = await database.pool.query(
    `select jsonb_build_object('id', id::text, 'type', type, 'entities', entities, 'xid', xid::text,
       'committedAt', platform.iso(created_at), 'correlationId', null) as detail
     from platform.outbox order by id desc limit 1`,
  );
  const record = {
    messageId: '1',
    body: JSON.stringify({ 'detail-type': rows[0].detail.type, detail: rows[0].detail }),
    attributes: { ApproximateReceiveCount: String(receives) },
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:tributary-test-${queue}`,
  };
  return invalidate({ Records: [record] } as never, {} as never);
}
const isVoid = async () => (await database.pool.query('select is_void from platform.cache_generation')).rows[0].is_void;

test('ten seconds after an outage, none of Redis’ old data is served as fenced', async () => {
  await rename('One');
  await read();
  expect(await read()).toEqual({ cache: 'hit', name: 'One' });
  name.cut();
  await rename('Two');
  expect((await deliver()).batchItemFailures).toHaveLength(1);
  expect(await isVoid()).toBe(true);
  name.moveTo(server);
  await waitFor('Redis', async () => ['hit', 'stale'].includes((await read()).cache!));
  const answeredAt = Date.now();
  let newest = await read();
  await waitFor('the change', async () => {
    newest = await read();
    // an old answer may be a hit for at most ten seconds
    if (newest.name === 'One') expect([newest.cache, Date.now() - answeredAt < 10_000]).toEqual(['hit', true]);
    return newest.name === 'Two' && newest.cache === 'hit';
  });
  expect(await isVoid()).toBe(false);
});

test('an event whose previous attempts all timed out voids the cache before the last one', async () => {
  await rename('Three');
  expect(await isVoid()).toBe(false);
  expect((await deliver('invalidate-cache', 4)).batchItemFailures).toEqual([]);
  expect(await isVoid()).toBe(false);
  expect((await deliver('invalidate-cache', 5)).batchItemFailures).toEqual([]);
  expect(await isVoid()).toBe(true);
});

test('a message that is not an event voids the cache, since its entities are unknown', async () => {
  await read();
  await database.pool.query(`select platform.take_up_cache_generation('test')`);
  expect(await isVoid()).toBe(false);
  const record = {
    messageId: '1',
    body: 'garbage',
    attributes: { ApproximateReceiveCount: '1' },
    eventSourceARN: 'a:b',
  };
  expect((await invalidate({ Records: [record] } as never, {} as never)).batchItemFailures).toHaveLength(1);
  expect(await isVoid()).toBe(true);
});

test('the second delivery restores a fence that Redis lost, and has no effect if repeated', async () => {
  const { getCache, getRedis } = await import('../../shared/resources.ts');
  const { redis: connection } = await getRedis();
  await (await getCache()).renewGeneration();
  const { current } = await (await getCache()).generation();
  await rename('Four');
  const hash = `${current}:{collections:kept}`;
  await connection.del(hash);
  await read();
  const tag = await connection.hget(hash, '~t');
  await deliver('invalidate-cache-again');
  expect(await connection.hget(hash, '~t')).not.toBe(tag);
  const raised = await connection.hget(hash, '~t');
  await deliver('invalidate-cache-again');
  await deliver();
  expect(await connection.hget(hash, '~t')).toBe(raised);
});

const clear = (entities: string[]) =>
  database.pool.query(`insert into platform.outbox (type, entities) values ('cache_cleared', $1)`, [entities]);

test('a clear that its container did not finish is completed by its event', async () => {
  const { getCache, getRedis } = await import('../../shared/resources.ts');
  const { redis: connection } = await getRedis();
  await database.pool.query('select platform.revoke_cache_generation()');
  await clear(['*']);
  await deliver();
  expect(await isVoid()).toBe(false);
  const { current } = await (await getCache()).generation();
  const tagOf = () => connection.hget(`${current}:{collections:kept}`, '~t');
  await read();
  const tag = await tagOf();
  await clear(['collections:kept']);
  await deliver();
  expect(await tagOf()).not.toBe(tag);
});

test('below the forgotten xid, the delayed queue’s delivery is ignored, and the other one is a late commit', async () => {
  const { getCache, getRedis } = await import('../../shared/resources.ts');
  const { redis: connection } = await getRedis();
  const entity = 'collections:often-changed';
  await clear([entity]);
  const { rows } = await database.pool.query('select xid::text from platform.outbox order by id desc limit 1');
  const cache = await getCache();
  for (let i = 1; i <= 300; i++) await cache.raise([entity], Number(rows[0].xid) + i);
  const { current } = await cache.generation();
  const tagOf = () => connection.hget(`${current}:{${entity}}`, '~t');
  const tag = await tagOf();
  await deliver('invalidate-cache-again');
  expect(await tagOf()).toBe(tag);
  await deliver();
  expect(await tagOf()).not.toBe(tag);
});
