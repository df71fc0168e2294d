import { afterAll, expect, test, vi } from 'vitest';
import { startRedis } from '../../local/redis.ts';
import type { Load } from '../../shared/cache/view.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';
import { createMovingName } from '../support/moving-name.ts';
import { waitFor } from '../support/wait-for.ts';

const server = await startRedis(() => {}, '');
const { cache } = await createTestCache({}, server.url);
afterAll(() => server.stop());

/** A load whose body is the host it came from. */
const load: Load = (source) => seenUpTo(10, source.host)(source);
const read = async (options = {}) => {
  const {
    outcome,
    entry: { body },
  } = await cache.read(viewOf('things:1'), load, options);
  return `${outcome} ${body.toString()}`;
};

test('a process that is busy for longer than Redis may be silent still gets its replies', async () => {
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

test('an idle Redis does not count as silent', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { connection } = await createTestCache({}, server.url);
  await connection.attempt((redis) => redis.ping());
  vi.advanceTimersByTime(1_000);
  expect(connection.redis.stream.destroyed).toBe(false);
  vi.useRealTimers();
});

test('a failing script does not fail the read, neither at its beginning nor at its end', async () => {
  const own = await createTestCache({}, server.url);
  const { redis } = own.connection;
  const outcomeOf = async (entity: string, load: Load) => {
    const { outcome, entry } = await own.cache.read(viewOf(entity), load);
    return `${outcome} ${entry.body.toString()}`;
  };
  const leaseOf = (entity: string) => `${own.hashOf(entity)}~lease:metadata`;
  await redis.lpush(leaseOf('begin:1'), 'of another type');
  expect(await outcomeOf('begin:1', load)).toBe('miss writer');
  const corrupting = async (source: Parameters<Load>[0]) => {
    await redis.set(own.hashOf('fill:1'), 'of another type');
    return load(source);
  };
  expect(await outcomeOf('fill:1', corrupting)).toBe('miss replica');
  const failing = async () => {
    await redis.del(leaseOf('release:1'));
    await redis.lpush(leaseOf('release:1'), 'of another type');
    throw new Error('load failed');
  };
  await expect(own.cache.read(viewOf('release:1'), failing)).rejects.toThrow('load failed');
});

test('five consecutive failures open the breaker; then one probe per second tests whether Redis is back', async () => {
  const { connection } = await createTestCache({}, server.url);
  let attempts = 0;
  const attempt = (isBack: boolean) =>
    connection
      .attempt(async () => {
        attempts++;
        if (!isBack) throw new Error('down');
      })
      .catch(() => {});
  for (const isBack of [false, false, false, false, true, false, false, false, false]) await attempt(isBack);
  expect([connection.isOpen(), attempts]).toEqual([false, 9]);
  await attempt(false);
  await attempt(false);
  expect([connection.isOpen(), attempts]).toEqual([true, 10]);
  const later = Date.now() + 1_001;
  vi.spyOn(Date, 'now').mockImplementation(() => later);
  await Promise.all([attempt(false), attempt(false), attempt(false)]);
  expect([connection.isOpen(), attempts]).toEqual([true, 11]);
  vi.spyOn(Date, 'now').mockImplementation(() => later + 1_001);
  await attempt(true);
  await attempt(true);
  expect([connection.isOpen(), attempts]).toEqual([false, 13]);
  vi.restoreAllMocks();
});

test('if no replica proofs are accepted, replicas are not read without the cache either', async () => {
  const own = await createTestCache({ replicaProofs: 'none' }, server.url);
  const failing = () => own.connection.attempt(() => Promise.reject(new Error('down'))).catch(() => {});
  for (let i = 0; i < 5; i++) await failing();
  const { outcome, entry } = await own.cache.read(viewOf('untrusted:1'), load);
  expect([outcome, entry.body.toString()]).toEqual(['miss', 'writer']);
});

test('a demoted Redis primary is replaced by the one that the name resolves to', async () => {
  const promoted = await startRedis(() => {}, '');
  const [before, after] = [server, promoted].map(({ url }) => url.replace('redis://', '')) as [string, string];
  const name = await createMovingName(before);
  const own = await createTestCache({}, `redis://${name.address}`);
  try {
    await own.cache.raise(['things:1'], 5);
    name.moveTo(after);
    // the open connection still leads to the old primary, which refuses writes from now on
    await own.connection.redis.replicaof('127.0.0.1', Number(after.split(':')[1]));
    await waitFor('the new primary', () =>
      own.cache.raise(['things:1'], 6).then(
        () => true,
        () => false,
      ),
    );
    expect((await own.explain('things:1')).fence.xids).toEqual([6]);
  } finally {
    const { connection } = await createTestCache({}, server.url);
    await connection.redis.replicaof('NO', 'ONE');
    await promoted.stop();
  }
});

test('if Redis is silent, the primary is read, and a replica once the breaker is open', async () => {
  server.process!.kill('SIGSTOP');
  expect(await read()).toBe('miss writer');
  for (let i = 0; i < 5; i++) await read();
  expect(await read()).toBe('bypass replica');
  expect(await read({ mustBeFenced: true })).toBe('miss writer');
  server.process!.kill('SIGCONT');
  await waitFor('a hit', async () => (await read()).startsWith('hit'));
});

test('if Redis is killed, reads continue and raises fail', async () => {
  server.process!.kill('SIGKILL');
  expect(await read()).toMatch(/^(miss writer|bypass replica)$/);
  await expect(cache.raise(['things:1'], 20)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});
