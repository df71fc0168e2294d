import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../local/redis.ts';
import { createTestCache, fixedGeneration, seenUpTo, viewOf } from '../support/cache.ts';

// its own server, since its memory is measured
const server = await startRedis(() => {}, '');
afterAll(() => server.stop());

const wallets = (count: number) =>
  Array.from({ length: count }, (_, i) => `wallets:0x${i.toString(16).padStart(16, '0')}`);

test('a raise costs one key of at most 200 bytes per entity', async () => {
  const { cache, connection } = await createTestCache({}, server.url);
  await cache.raise(['wallets:first'], 5);
  const usedBytes = async () => Number(/used_memory:(\d+)/.exec(await connection.redis.info('memory'))![1]);
  const [keys, bytes] = [await connection.redis.dbsize(), await usedBytes()];
  await cache.raise(wallets(10_000), 123_456_789);
  expect((await connection.redis.dbsize()) - keys).toBe(10_000);
  expect(((await usedBytes()) - bytes) / 10_000).toBeLessThanOrEqual(200);
});

test('shortly after a new generation began, a raise also reaches the previous one', async () => {
  const generation = fixedGeneration();
  const { cache } = await createTestCache({ generation }, server.url);
  const view = viewOf('things:1');
  await cache.read(view, seenUpTo(10, 'old'));
  // a container that has not noticed the change and still reads in the previous generation
  const previous = generation.current;
  const late = await createTestCache(
    { generation: { ...fixedGeneration(), ensure: async () => ({ current: previous, previous: [], since: 3 }) } },
    server.url,
  );
  expect((await late.cache.read(view, seenUpTo(10, 'unused'))).outcome).toBe('hit');
  await generation.revoke();
  await cache.renewGeneration();
  await cache.raise([view.entity], 20);
  expect((await late.cache.read(view, seenUpTo(21, 'new'))).entry.body.toString()).toBe('new');
});
