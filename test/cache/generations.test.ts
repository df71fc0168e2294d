import { afterEach, expect, test, vi } from 'vitest';
import type { Load } from '../../shared/cache/view.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { createTestCache, fixedGeneration, seenUpTo, type TestCache, viewOf } from '../support/cache.ts';

const view = viewOf('things:1');
const never: Load = async () => {
  throw new Error('loaded');
};
const copyOf = ({ shared }: TestCache) => shared.generationKey!;

const { now } = Date;
let elapsedMs = 0;

afterEach(() => {
  elapsedMs = 0;
  vi.restoreAllMocks();
});

/** Moves the clock forward, so that a container's known generation grows old. */
function advanceClock(ms: number): void {
  elapsedMs += ms;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + elapsedMs);
}

test('a container that was refreshing the copy does not undo a clear', async () => {
  const generation = fixedGeneration();
  const operator = await createTestCache({ generation });
  await operator.cache.read(view, seenUpTo(10, 'wrong'));
  await operator.connection.redis.del(copyOf(operator));
  // this container asks Postgres before the clear, and gets the answer after it
  const answered = Promise.withResolvers<void>();
  const ensure = async () => {
    const old = await generation.peek();
    await answered.promise;
    return old;
  };
  const slow = await createTestCache({ ...operator.shared, generation: { ...generation, ensure } });
  const reading = slow.cache.read(view, seenUpTo(10, 'right'));
  await operator.cache.revokeGeneration();
  await operator.cache.renewGeneration();
  answered.resolve();
  await reading;
  expect(await operator.connection.redis.get(copyOf(operator))).toMatch(new RegExp(`^${generation.current} `));
  expect((await operator.cache.read(view, seenUpTo(10, 'right'))).entry.body.toString()).toBe('right');
});

test('after an idle second, concurrent reads check the generation once, in the same write as the entry', async () => {
  const { cache, connection } = await createTestCache();
  await cache.read(view, seenUpTo(10, 'x'));
  const views = Array.from({ length: 20 }, (_, i) => viewOf(`things:${i}`));
  for (const one of views) await cache.read(one, seenUpTo(10, 'x'));
  advanceClock(1_001);
  const [look, write] = [vi.spyOn(connection.redis, 'get'), vi.spyOn(connection.redis.stream, 'write')];
  const outcomes = await Promise.all(views.map(async (one) => (await cache.read(one, never)).outcome));
  expect(new Set(outcomes)).toEqual(new Set(['hit']));
  expect([look.mock.calls.length, write.mock.calls.length]).toEqual([1, 1]);
});

test('within a second of a check, reads do not check the generation again', async () => {
  const { cache, connection } = await createTestCache();
  const look = vi.spyOn(connection.redis, 'get');
  let time = now();
  vi.spyOn(Date, 'now').mockImplementation(() => time);
  await cache.read(view, seenUpTo(10, 'x'));
  const looks = look.mock.calls.length;
  time += 999;
  expect((await cache.read(view, never)).outcome).toBe('hit');
  expect(look).toHaveBeenCalledTimes(looks);
});

test('an answer’s age counts from the beginning of its load', async () => {
  const own = await createTestCache();
  const before = Date.now();
  const { entry } = await own.cache.read(view, async (source) => {
    advanceClock(5_000);
    return seenUpTo(10, 'x')(source);
  });
  expect(entry.loadedAt - before).toBeLessThan(5_000);
});

test('a container switches to a new generation within a second', async () => {
  const generation = fixedGeneration();
  const one = await createTestCache({ generation });
  const two = await createTestCache(one.shared);
  await two.cache.read(view, seenUpTo(10, 'old'));
  await one.cache.revokeGeneration();
  await one.cache.renewGeneration();
  advanceClock(1_001);
  expect((await two.cache.read(view, seenUpTo(10, 'new'))).entry.body.toString()).toBe('new');
});

test('Redis’ copy of the generation and a container’s own last at most ten seconds together', async () => {
  const one = await createTestCache();
  await one.cache.read(view, seenUpTo(10, 'x'));
  const ttlMs = await one.connection.redis.pttl(copyOf(one));
  expect([ttlMs > 0, ttlMs + 1_000 <= 10_000]).toEqual([true, true]);
});

test('if the replica has not seen the beginning of the generation, the primary is read', async () => {
  const generation = fixedGeneration();
  const own = await createTestCache({ generation });
  const load: Load = (source) => seenUpTo(source.host === 'writer' ? 100 : 50, source.host)(source);
  generation.since = 70;
  expect((await own.cache.read(viewOf('fresh:1'), load)).entry.body.toString()).toBe('writer');
  await own.connection.redis.set(copyOf(own), `${generation.current} 30`);
  advanceClock(1_001);
  expect((await own.cache.read(viewOf('fresh:2'), load)).entry.body.toString()).toBe('replica');
});

test('a raise asks Postgres for the generation, since Redis may have come back with an old one', async () => {
  const generation = fixedGeneration();
  const own = await createTestCache({ generation });
  const old = generation.current;
  await own.cache.revokeGeneration();
  await own.cache.renewGeneration();
  await own.cache.read(view, seenUpTo(10, 'old'));
  await own.connection.redis.set(copyOf(own), `${old} 3`);
  await own.cache.raise([view.entity], 20);
  expect((await own.cache.read(view, seenUpTo(21, 'new'))).entry.body.toString()).toBe('new');
});

test('a raise asks Postgres for the generation, since its container may know an old one', async () => {
  const one = await createTestCache();
  const two = await createTestCache(one.shared);
  await two.cache.read(view, seenUpTo(10, 'x'));
  await one.cache.revokeGeneration();
  await one.cache.renewGeneration();
  await one.cache.read(view, seenUpTo(10, 'old'));
  await two.cache.raise([view.entity], 20);
  expect((await one.cache.read(view, seenUpTo(21, 'new'))).entry.body.toString()).toBe('new');
});

test('while the database is down, cached answers are served as stale; a read that must be fenced fails', async () => {
  const generation = fixedGeneration();
  const own = await createTestCache({ generation });
  await own.cache.read(view, seenUpTo(10, 'kept'));
  await own.connection.redis.del(copyOf(own));
  generation.ensure = async () => {
    throw new Unavailable('down');
  };
  const down: Load = async () => {
    throw new Unavailable('down');
  };
  advanceClock(1_001);
  const served = await own.cache.read(view, down);
  expect([served.outcome, served.entry.body.toString()]).toEqual(['stale', 'kept']);
  await expect(own.cache.read(view, down, { mustBeFenced: true })).rejects.toThrow('down');
});

test('a hit waits at most 100 ms for a database that does not respond', async () => {
  const generation = fixedGeneration();
  const own = await createTestCache({ generation });
  await own.cache.read(view, seenUpTo(10, 'kept'));
  await own.connection.redis.del(copyOf(own));
  const answer = Promise.withResolvers<never>();
  generation.ensure = () => answer.promise;
  advanceClock(1_001);
  const askedAt = performance.now();
  expect((await own.cache.read(view, never)).outcome).toBe('stale');
  expect(performance.now() - askedAt).toBeLessThan(1_000);
  answer.reject(new Unavailable('too late'));
});

test('a read that must be fenced, of a view without fences, is answered by the primary', async () => {
  const own = await createTestCache();
  const unfenced = viewOf('list:1', 'all', { isFenced: false });
  await own.cache.read(unfenced, seenUpTo(10, 'cached'));
  expect((await own.cache.read(unfenced, never)).outcome).toBe('hit');
  const load: Load = (source) => seenUpTo(10, source.host)(source);
  const served = await own.cache.read(unfenced, load, { mustBeFenced: true });
  expect([served.outcome, served.entry.body.toString()]).toEqual(['miss', 'writer']);
});

test('garbage in Redis’ copy of the generation is replaced', async () => {
  const own = await createTestCache();
  await own.connection.redis.set(copyOf(own), 'garbage');
  expect((await own.cache.read(view, seenUpTo(10, 'x'))).outcome).toBe('miss');
  await own.connection.redis.set(copyOf(own), 'garbage');
  advanceClock(1_001);
  expect((await own.cache.read(view, never)).outcome).toBe('hit');
  expect(await own.connection.redis.get(copyOf(own))).toMatch(/^\w+ \d+$/);
});

test('a container that is late with an old generation does not overwrite a new one', async () => {
  const generation = fixedGeneration();
  const own = await createTestCache({ generation });
  const old = await generation.peek();
  await own.cache.revokeGeneration();
  await own.cache.renewGeneration();
  const answers = [old, await generation.peek()];
  const late = await createTestCache({
    ...own.shared,
    generation: { ...generation, ensure: async () => answers.shift() ?? generation.peek() },
  });
  await late.cache.renewGeneration();
  expect(await own.connection.redis.get(copyOf(own))).toMatch(new RegExp(`^${generation.current} `));
});

test('a key that is not a hash does not prevent caching or fencing an entity', async () => {
  const own = await createTestCache();
  await own.connection.redis.set(own.hashOf('foreign:1'), 'x', 'EX', 60);
  await own.cache.raise(['foreign:1'], 20);
  await own.cache.read(viewOf('foreign:1'), seenUpTo(21, 'x'));
  expect((await own.cache.read(viewOf('foreign:1'), never)).outcome).toBe('hit');
});
