import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../local/redis.ts';
import type { Load } from '../../shared/cache/view.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';
import { waitFor } from '../support/wait-for.ts';

const server = await startRedis(() => {}, '');
const { cache } = await createTestCache({}, server.url);
afterAll(() => server.stop());

/** A load that says which host it came from. */
const load: Load = (source) => seenUpTo(10, source.host)(source);
const read = async (options = {}) => {
  const {
    outcome,
    entry: { body },
  } = await cache.read(viewOf('things:1'), load, options);
  return `${outcome} ${body.toString()}`;
};

test('a process that was busy for longer than Redis may be silent still gets what Redis sent', async () => {
  await read();
  for (let i = 0; i < 5; i++) {
    const reading = read();
    setImmediate(() => {
      const until = performance.now() + 150;
      while (performance.now() < until);
    });
    expect(await reading).toBe('hit replica');
  }
});

test('a silent Redis is passed over for the writer, and for the replica once it is known to be away', async () => {
  server.process!.kill('SIGSTOP');
  expect(await read()).toBe('miss writer');
  for (let i = 0; i < 5; i++) await read();
  expect(await read()).toBe('bypass replica');
  expect(await read({ mustBeFenced: true })).toBe('miss writer');
  server.process!.kill('SIGCONT');
  await waitFor('a hit', async () => (await read()).startsWith('hit'));
});

test('a killed Redis is passed over, and what raises fences is told', async () => {
  server.process!.kill('SIGKILL');
  expect(await read()).toMatch(/^(miss writer|bypass replica)$/);
  await expect(cache.raise(['things:1'], 20)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});
