import { expect, test, vi } from 'vitest';
import { toEntry } from '../../shared/cache/entry.ts';
import { type Load, Unproven } from '../../shared/cache/view.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';

const one = await createTestCache();

/** A loader that takes `ms`, and counts. */
function slow(ms: number, load: Load): Load & { loads: number } {
  const counting = Object.assign(
    async (source: Parameters<Load>[0]) => {
      counting.loads++;
      await new Promise((resolve) => setTimeout(resolve, ms));
      return load(source);
    },
    { loads: 0 },
  );
  return counting;
}

test('at most one live lease per view: a hundred readers that miss at once make one load', async () => {
  const load = slow(50, seenUpTo(10, 'once'));
  const served = await Promise.all(Array.from({ length: 100 }, () => one.cache.read(viewOf('stampede:1'), load)));
  expect(load.loads).toBe(1);
  expect(new Set(served.map(({ entry }) => entry.body.toString()))).toEqual(new Set(['once']));
});

test('readers in several containers share one load too', async () => {
  const two = await createTestCache(one.shared);
  const load = slow(50, seenUpTo(10, 'once'));
  const caches = [one.cache, two.cache];
  await Promise.all(Array.from({ length: 40 }, (_, i) => caches[i % 2]!.read(viewOf('stampede:5'), load)));
  expect(load.loads).toBe(1);
});

test('sixty readers share at most four loads while fences keep coming and a transaction is open', async () => {
  const view = viewOf('stampede:6');
  for (let xid = 1_000; xid < 1_300; xid++) await one.cache.raise([view.entity], xid);
  // everything below 1,300 has been seen by both, yet the open transaction 900 hides it from the snapshots
  const statement = slow(50, async ({ host }) => ({
    evidence: { host, inRecovery: host === 'replica', snapshot: { xmin: 900, xmax: 5_000, xip: [] } },
    status: 200,
    body: 'fresh',
  }));
  // what is forgotten lies above the open transaction, so a replica has no proof and does not read
  const load: Load = async (source) => {
    if (source.host === 'replica' && source.proving) throw new Unproven();
    return statement(source);
  };
  let xid = 1_300;
  let done = false;
  const raising = (async () => {
    while (!done) await one.cache.raise([view.entity], xid++);
  })();
  const reading = Promise.all(Array.from({ length: 60 }, () => one.cache.read(view, load)));
  await reading;
  done = true;
  await raising;
  expect(xid).toBeGreaterThan(1_310);
  expect(statement.loads).toBeLessThanOrEqual(4);
});

test('who arrived after a change does not take the result of a load that began before it', async () => {
  const view = viewOf('stampede:2');
  let second: ReturnType<typeof one.cache.read> | undefined;
  const first = one.cache.read(view, async (source) => {
    await one.cache.raise([view.entity], 20);
    second = one.cache.read(view, seenUpTo(21, 'new'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    return seenUpTo(20, 'old')(source);
  });
  expect((await first).entry.body.toString()).toBe('old');
  expect((await second!).entry.body.toString()).toBe('new');
});

test('a result that was left before a reader came is not taken for one of a load that began after', async () => {
  const view = viewOf('stampede:4');
  const hash = one.hashOf(view.entity);
  await one.cache.raise([view.entity], 20);
  const old = await toEntry(await seenUpTo(20, 'old')({ host: 'replica' }), [], Date.now(), 60_000);
  const { connection } = one;
  // one load has left what it could not store, and the next has begun: the reader comes now
  await connection.redis.set(
    `${hash}~result:${view.field}`,
    Buffer.concat([Buffer.from('0000000000000001old-tags'), old.bytes]),
  );
  await connection.redis.set(`${hash}~lease:${view.field}`, 'load-two', 'PX', 400);
  expect((await one.cache.read(view, seenUpTo(21, 'new'))).entry.body.toString()).toBe('new');
});

test('a result is taken if its load began after the reader came, and not if that load was under way', async () => {
  const { redis } = one.connection;
  for (const [sinceArrival, expected] of [
    [-1, 'own'],
    [1, 'left'],
  ] as const) {
    const view = viewOf(`stampede:${expected}`);
    const hash = one.hashOf(view.entity);
    const left = await toEntry(await seenUpTo(20, 'left')({ host: 'replica' }), [], Date.now(), 60_000);
    await redis.set(`${hash}~lease:${view.field}`, 'load-one', 'PX', 10_000);
    const begin = vi.spyOn(redis, 'beginLoadBuffer');
    const reading = one.cache.read(view, seenUpTo(21, 'own'));
    await vi.waitUntil(() => begin.mock.settledResults[0]?.type === 'fulfilled', { interval: 1 });
    // meanwhile the entity has another tag, and somebody else has the lease
    const arrivedAt = Number((await begin.mock.results[0]!.value)[5]);
    const begunAt = String(arrivedAt + sinceArrival);
    await redis
      .multi()
      .set(`${hash}~result:${view.field}`, Buffer.concat([Buffer.from(`${begunAt}old-tags`), left.bytes]))
      .set(`${hash}~lease:${view.field}`, 'another!', 'PX', 300)
      .exec();
    expect((await reading).entry.body.toString()).toBe(expected);
    begin.mockRestore();
  }
});

test('a load that outlived its lease leaves nothing for those who wait: they cannot tell when it began', async () => {
  const own = await createTestCache({ loadDeadlineMs: 80 });
  const view = viewOf('late:1');
  let began = () => {};
  const beginning = new Promise<void>((resolve) => {
    began = resolve;
  });
  let finish = () => {};
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const late = own.cache.read(view, async (source) => {
    began();
    await held;
    return seenUpTo(20, 'old')(source);
  });
  await beginning;
  await own.cache.raise([view.entity], 20);
  const lease = `${own.hashOf(view.entity)}~lease:${view.field}`;
  while ((await own.connection.redis.exists(lease)) === 1) await new Promise((resolve) => setTimeout(resolve, 5));
  finish();
  await late;
  expect(await own.connection.redis.exists(`${own.hashOf(view.entity)}~result:${view.field}`)).toBe(0);
});

test('a failed load gives its lease back', async () => {
  const view = viewOf('stampede:3');
  const failing = async () => {
    throw new Error('no');
  };
  await expect(one.cache.read(view, failing)).rejects.toThrow('no');
  expect(await one.connection.redis.exists(`${one.hashOf(view.entity)}~lease:${view.field}`)).toBe(0);
  expect((await one.cache.read(view, seenUpTo(10, 'yes'))).entry.body.toString()).toBe('yes');
});

test('equal reads of one tick share one command, and later ones have their own', async () => {
  const view = viewOf('tick:1');
  await one.cache.read(view, seenUpTo(10, 'x'));
  const looking = vi.spyOn(one.connection.redis, 'hgetBuffer');
  await Promise.all(Array.from({ length: 60 }, () => one.cache.read(view, seenUpTo(10, 'x'))));
  expect(looking).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 3; i++) await one.cache.read(view, seenUpTo(10, 'x'));
  expect(looking).toHaveBeenCalledTimes(4);
});

test('a load gives back its own lease, and leaves alone the one that another has taken since', async () => {
  const { redis } = one.connection;
  for (const [i, outcome] of ['stored', 'refused', 'failed'].entries()) {
    const view = viewOf(`lease:${i}`);
    const lease = `${one.hashOf(view.entity)}~lease:${view.field}`;
    const read = (taken: boolean) =>
      one.cache
        .read(view, async (source) => {
          if (taken) await redis.set(lease, 'another!', 'PX', 60_000);
          if (outcome === 'refused') await one.cache.raise([view.entity], taken ? 21 : 20);
          if (outcome === 'failed') throw new Error('no');
          return seenUpTo(10, 'x')(source);
        })
        .catch(() => {});
    await read(false);
    expect([outcome, await redis.get(lease)]).toEqual([outcome, null]);
    await redis.hdel(one.hashOf(view.entity), view.field);
    await read(true);
    expect([outcome, await redis.get(lease)]).toEqual([outcome, 'another!']);
  }
});

test('a reader that finds the entry when it was about to load it leaves the lease free', async () => {
  const own = await createTestCache();
  const view = viewOf('found:1');
  await own.cache.read(view, seenUpTo(10, 'found'));
  // the entry was stored between this reader's look and its load
  vi.spyOn(own.connection.redis, 'hgetBuffer').mockResolvedValueOnce(null);
  const served = await own.cache.read(view, seenUpTo(10, 'unused'));
  expect([served.outcome, served.entry.body.toString()]).toEqual(['hit', 'found']);
  expect(await own.connection.redis.exists(`${own.hashOf(view.entity)}~lease:${view.field}`)).toBe(0);
});

test('a reader waits for another’s load no longer than a load may take', async () => {
  const own = await createTestCache({ loadDeadlineMs: 50 });
  const view = viewOf('held:1');
  await own.connection.redis.set(`${own.hashOf(view.entity)}~lease:${view.field}`, 'another!', 'PX', 30_000);
  const served = await own.cache.read(view, seenUpTo(10, 'own'));
  expect([served.outcome, served.entry.body.toString()]).toEqual(['miss', 'own']);
  expect(await own.connection.redis.hexists(own.hashOf(view.entity), view.field)).toBe(0);
});

test('a container runs no more loads at once than it may', async () => {
  const own = await createTestCache({ maxLoads: 2 });
  let [running, most] = [0, 0];
  const load: Load = async (source) => {
    most = Math.max(most, ++running);
    // other loads would begin meanwhile
    for (let i = 0; i < 5; i++) await own.connection.redis.ping();
    running--;
    return seenUpTo(10, 'x')(source);
  };
  await Promise.all(Array.from({ length: 10 }, (_, i) => own.cache.read(viewOf(`limited:${i}`), load)));
  expect(most).toBe(2);
});
