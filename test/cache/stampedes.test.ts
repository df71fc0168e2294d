import { expect, test, vi } from 'vitest';
import { toEntry } from '../../shared/cache/entry.ts';
import { type Load, Unproven } from '../../shared/cache/view.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';

const one = await createTestCache();

/** A load that takes `ms` and counts its calls. */
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

test('a view has at most one lease: a hundred readers that miss at once cause one load', async () => {
  const load = slow(50, seenUpTo(10, 'once'));
  const served = await Promise.all(Array.from({ length: 100 }, () => one.cache.read(viewOf('stampede:1'), load)));
  expect(load.loads).toBe(1);
  expect(new Set(served.map(({ entry }) => entry.body.toString()))).toEqual(new Set(['once']));
});

test('readers in several containers also share one load', async () => {
  const two = await createTestCache(one.shared);
  const load = slow(50, seenUpTo(10, 'once'));
  const caches = [one.cache, two.cache];
  await Promise.all(Array.from({ length: 40 }, (_, i) => caches[i % 2]!.read(viewOf('stampede:5'), load)));
  expect(load.loads).toBe(1);
});

test('sixty readers share at most four loads while fences keep coming and a transaction is open', async () => {
  const view = viewOf('stampede:6');
  for (let xid = 1_000; xid < 1_300; xid++) await one.cache.raise([view.entity], xid);
  // both hosts have seen everything below 1,300, but the open transaction 900 keeps snapshots from proving it
  const statement = slow(50, async ({ host }) => ({
    evidence: { host, inRecovery: host === 'replica', snapshot: { xmin: 900, xmax: 5_000, xip: [] } },
    status: 200,
    body: 'fresh',
  }));
  // the forgotten xid is above the open transaction, so a replica has no proof and does not read
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

test('a reader that arrives after a change does not accept the result of a load that began before it', async () => {
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

test('a result that was left before a reader arrived is not accepted', async () => {
  const view = viewOf('stampede:4');
  const hash = one.hashOf(view.entity);
  await one.cache.raise([view.entity], 20);
  const old = await toEntry(await seenUpTo(20, 'old')({ host: 'replica' }), [], Date.now(), 60_000);
  const { connection } = one;
  // one load has left what it could not store, and the next has begun; now the reader arrives
  await connection.redis.set(
    `${hash}~result:${view.field}`,
    Buffer.concat([Buffer.from('0000000000000001old-tags'), old.bytes]),
  );
  await connection.redis.set(`${hash}~lease:${view.field}`, 'load-two', 'PX', 400);
  expect((await one.cache.read(view, seenUpTo(21, 'new'))).entry.body.toString()).toBe('new');
});

test('a result is accepted only if its load began after the reader arrived', async () => {
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
    // in the meantime the entity got a new tag, and another reader holds the lease
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

test('a load that outlived its lease leaves no result: waiting readers could not tell when it began', async () => {
  const own = await createTestCache({ loadDeadlineMs: 80 });
  const view = viewOf('late:1');
  const began = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const late = own.cache.read(view, async (source) => {
    began.resolve();
    await finish.promise;
    return seenUpTo(20, 'old')(source);
  });
  await began.promise;
  await own.cache.raise([view.entity], 20);
  const lease = `${own.hashOf(view.entity)}~lease:${view.field}`;
  while ((await own.connection.redis.exists(lease)) === 1) await new Promise((resolve) => setTimeout(resolve, 5));
  finish.resolve();
  await late;
  expect(await own.connection.redis.exists(`${own.hashOf(view.entity)}~result:${view.field}`)).toBe(0);
});

test('a failed load releases its lease', async () => {
  const view = viewOf('stampede:3');
  const failing = async () => {
    throw new Error('no');
  };
  await expect(one.cache.read(view, failing)).rejects.toThrow('no');
  expect(await one.connection.redis.exists(`${one.hashOf(view.entity)}~lease:${view.field}`)).toBe(0);
  expect((await one.cache.read(view, seenUpTo(10, 'yes'))).entry.body.toString()).toBe('yes');
});

test('reads of the same view in one tick share a command; later ones have their own', async () => {
  const view = viewOf('tick:1');
  await one.cache.read(view, seenUpTo(10, 'x'));
  const looking = vi.spyOn(one.connection.redis, 'hgetBuffer');
  await Promise.all(Array.from({ length: 60 }, () => one.cache.read(view, seenUpTo(10, 'x'))));
  expect(looking).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 3; i++) await one.cache.read(view, seenUpTo(10, 'x'));
  expect(looking).toHaveBeenCalledTimes(4);
});

test('a load releases its own lease, but not one that another reader has taken since', async () => {
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

test('a reader that finds the entry just before loading it releases the lease', async () => {
  const own = await createTestCache();
  const view = viewOf('found:1');
  await own.cache.read(view, seenUpTo(10, 'found'));
  // the entry was stored between this reader's lookup and its load
  vi.spyOn(own.connection.redis, 'hgetBuffer').mockResolvedValueOnce(null);
  const served = await own.cache.read(view, seenUpTo(10, 'unused'));
  expect([served.outcome, served.entry.body.toString()]).toEqual(['hit', 'found']);
  expect(await own.connection.redis.exists(`${own.hashOf(view.entity)}~lease:${view.field}`)).toBe(0);
});

test('a reader waits for another load no longer than the load deadline', async () => {
  const own = await createTestCache({ loadDeadlineMs: 50 });
  const view = viewOf('held:1');
  await own.connection.redis.set(`${own.hashOf(view.entity)}~lease:${view.field}`, 'another!', 'PX', 30_000);
  const served = await own.cache.read(view, seenUpTo(10, 'own'));
  expect([served.outcome, served.entry.body.toString()]).toEqual(['miss', 'own']);
  expect(await own.connection.redis.hexists(own.hashOf(view.entity), view.field)).toBe(0);
});

test('a container runs at most maxLoads loads at once', async () => {
  const own = await createTestCache({ maxLoads: 2 });
  let [running, max] = [0, 0];
  const load: Load = async (source) => {
    max = Math.max(max, ++running);
    // gives other loads time to begin
    for (let i = 0; i < 5; i++) await own.connection.redis.ping();
    running--;
    return seenUpTo(10, 'x')(source);
  };
  await Promise.all(Array.from({ length: 10 }, (_, i) => own.cache.read(viewOf(`limited:${i}`), load)));
  expect(max).toBe(2);
});
