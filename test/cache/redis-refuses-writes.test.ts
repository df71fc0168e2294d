import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../local/redis.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';
import { waitFor } from '../support/wait-for.ts';

const server = await startRedis(() => {}, '');
const admin = new Redis(server.url);
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});
test.each([
  [
    'that lacks replicas',
    () => admin.config('SET', 'min-replicas-to-write', '1'),
    () => admin.config('SET', 'min-replicas-to-write', '0'),
  ],
  ['that was demoted', () => admin.replicaof('127.0.0.1', 1), () => admin.replicaof('NO', 'ONE')],
] as const)(
  'a void cache is not served from a Redis %s, which answers reads and refuses writes',
  async (_, refuse, accept) => {
    const { cache, shared } = await createTestCache({}, server.url);
    const view = viewOf('things:1');
    await cache.read(view, seenUpTo(10, 'old'));
    await admin.pexpire(shared.generationKey!, 1);
    await refuse();
    try {
      await expect(cache.raise([view.entity], 20)).rejects.toMatchObject({ code: 'unavailable' });
      await cache.revokeGeneration();
      // the known generation remains valid for a second
      await waitFor(
        'the change',
        async () => (await cache.read(view, seenUpTo(30, 'new'))).entry.body.toString() === 'new',
        2_000,
      );
      for (let i = 0; i < 5; i++)
        expect((await cache.read(view, seenUpTo(30, 'new'))).entry.body.toString()).toBe('new');
    } finally {
      await accept();
    }
  },
);

test('scripts are loaded again if Redis has lost them', async () => {
  const { cache } = await createTestCache({}, server.url);
  await cache.read(viewOf('things:flush'), seenUpTo(10, 'old'));
  await cache.raise(['things:flush'], 20);
  await admin.script('FLUSH');
  await cache.raise(['things:flush'], 21);
  await admin.script('FLUSH');
  expect((await cache.read(viewOf('things:flush'), seenUpTo(30, 'new'))).outcome).toBe('miss');
  expect((await cache.read(viewOf('things:flush'), seenUpTo(30, 'new'))).outcome).toBe('hit');
});
