import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../local/redis.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';
import { waitFor } from '../support/wait-for.ts';

const server = await startRedis(() => {}, '');
const { cache } = await createTestCache({}, server.url);
afterAll(() => server.stop());

const read = (body: string) => cache.read(viewOf('things:1'), async () => seenUpTo(10, body));

test('a stalled Redis is passed over, and taken up again when it answers', async () => {
  expect((await read('first')).outcome).toBe('miss');
  server.process!.kill('SIGSTOP');
  const served = await read('second');
  expect([served.outcome, served.body.toString()]).toEqual(['bypass', 'second']);
  await Promise.all(Array.from({ length: 20 }, () => read('third')));
  server.process!.kill('SIGCONT');
  await waitFor('a hit', async () => (await read('fourth')).outcome === 'hit');
});

test('a killed Redis is passed over, and what raises fences is told', async () => {
  server.process!.kill('SIGKILL');
  expect((await read('fifth')).body.toString()).toBe('fifth');
  await expect(cache.raise(['things:1'], 20)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});
