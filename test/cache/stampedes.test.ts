import { expect, test } from 'vitest';
import { encodeEntry, toEntry } from '../../shared/cache/entry.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';

const one = await createTestCache();

test('at most one live lease per view: a hundred readers that miss at once make one load', async () => {
  let loads = 0;
  const load = async () => {
    loads++;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return seenUpTo(10, 'once');
  };
  const served = await Promise.all(Array.from({ length: 100 }, () => one.cache.read(viewOf('stampede:1'), load)));
  expect(loads).toBe(1);
  expect(new Set(served.map(({ body }) => body.toString()))).toEqual(new Set(['once']));
});

test('who arrived after a change does not take the result of a load that began before it', async () => {
  const view = viewOf('stampede:2');
  const first = one.cache.read(view, async () => {
    await one.cache.raise([view.entity], 20);
    second = one.cache.read(view, async () => seenUpTo(21, 'new'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    return seenUpTo(20, 'old');
  });
  let second: ReturnType<typeof one.cache.read> | undefined;
  expect((await first).body.toString()).toBe('old');
  expect((await second!).body.toString()).toBe('new');
});

test('a result that was left before a reader came is not taken for one of a load that began after', async () => {
  const view = viewOf('stampede:4');
  const hash = one.hashOf(view.entity);
  await one.cache.raise([view.entity], 20);
  const old = await toEntry(seenUpTo(20, 'old'), [], Date.now(), 60_000);
  const { connection } = one;
  // one load has left what it could not store, and the next has begun: the reader comes now
  await connection.attempt((redis) =>
    redis.set(`${hash}~result:${view.view}`, Buffer.concat([Buffer.from('load-one'), encodeEntry(old)])),
  );
  await connection.attempt((redis) => redis.set(`${hash}~lease:${view.view}`, 'load-two', 'PX', 400));
  expect((await one.cache.read(view, async () => seenUpTo(21, 'new'))).body.toString()).toBe('new');
});

test('a failed load gives its lease back', async () => {
  const view = viewOf('stampede:3');
  const failing = async () => {
    throw new Error('no');
  };
  await expect(one.cache.read(view, failing)).rejects.toThrow('no');
  expect((await one.cache.read(view, async () => seenUpTo(10, 'yes'))).body.toString()).toBe('yes');
});

test('past its soft end a valid answer is refreshed inline, and stands where that takes too long', async () => {
  const view = viewOf('soft:1', 'list', { softTtlSeconds: 0.001 });
  await one.cache.read(view, async () => seenUpTo(10, 'first'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await one.cache.read(view, async () => seenUpTo(11, 'second'))).body.toString()).toBe('second');
  await new Promise((resolve) => setTimeout(resolve, 5));
  let finish = () => {};
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const served = await one.cache.read(view, () => slow.then(() => seenUpTo(12, 'third')));
  expect([served.outcome, served.body.toString()]).toEqual(['hit', 'second']);
  finish();
});
