import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeEntry, toEntry } from '../../shared/cache/entry.ts';
import { Deadline, Unavailable } from '../../shared/kernel/errors.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';

const { cache, connection, explain, hashOf } = await createTestCache();

test('garbage in Redis is a miss', async () => {
  let entities = 0;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 60 }), async (entry, fence) => {
      // one entity for each: the fill of the last read may still be on its way
      const view = viewOf(`garbage:${++entities}`);
      const hash = hashOf(view.entity);
      await connection.redis.hset(hash, view.field, Buffer.from(entry), '~f', Buffer.from(fence), '~t', 'garbage!');
      await connection.redis.expire(hash, 60);
      const served = await cache.read(view, seenUpTo(10, 'right'));
      expect([served.outcome, served.entry.body.toString()]).toEqual(['miss', 'right']);
    }),
    { numRuns: 100 },
  );
});

test('an entry decodes to what was encoded', async () => {
  const tag = fc.stringMatching(/^[A-Za-z0-9_-]{8}$/);
  const record = fc.record({
    status: fc.constantFrom(200 as const, 404 as const),
    asOf: fc.option(fc.nat(), { nil: undefined }),
    live: fc.boolean(),
    tags: fc.array(tag, { maxLength: 3 }),
    body: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ minLength: 2_049, maxLength: 3_000 })),
    loadedAt: fc.nat(),
    lifeMs: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(record, async ({ asOf, tags, body, loadedAt, lifeMs, ...rest }) => {
      const loaded = { ...rest, evidence: undefined, body, ...(asOf === undefined ? {} : { asOf: new Date(asOf) }) };
      const entry = decodeEntry((await toEntry(loaded, tags, loadedAt, lifeMs)).bytes)!;
      expect(entry).toMatchObject({ ...rest, loadedAt, tags, endsAt: loadedAt + lifeMs });
      expect([entry.asOf, entry.encoding]).toEqual([asOf, body.length > 2_048 ? 'gzip' : 'identity']);
      expect(entry.encoding === 'gzip' ? gunzipSync(entry.body) : entry.body).toEqual(Buffer.from(body));
    }),
  );
});

test('an entry with a different layout or a truncated header is a miss', async () => {
  const { bytes } = await toEntry({ evidence: undefined, status: 200, body: 'x' }, ['tag-one!', 'tag-two!'], 0, 1);
  const headerLength = bytes.length - 1;
  for (let length = 0; length < headerLength; length++)
    expect([length, decodeEntry(bytes.subarray(0, length))]).toEqual([length, undefined]);
  expect(decodeEntry(bytes.subarray(0, headerLength))?.tags).toEqual(['tag-one!', 'tag-two!']);
  expect(decodeEntry(Buffer.concat([Buffer.from([1]), bytes.subarray(1)]))).toBeUndefined();
});

test('an entry’s hash is that of its uncompressed body', async () => {
  for (const body of ['small', 'large '.repeat(1_000)]) {
    const { hash } = await toEntry({ evidence: undefined, status: 200, body }, [], 0, 1);
    expect(hash).toBe(createHash('sha256').update(body).digest('base64url').slice(0, 22));
  }
});

test('an entry loaded before its view had a dependency is a miss', async () => {
  await cache.read(viewOf('fewer:1'), seenUpTo(10, 'old'));
  const served = await cache.read(viewOf('fewer:1', 'metadata', { dependsOn: ['dep:1'] }), seenUpTo(10, 'new'));
  expect([served.outcome, served.entry.body.toString()]).toEqual(['miss', 'new']);
});

test('an entry lives up to 10 % shorter than its TTL, and entries do not end together', async () => {
  const lives = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const { entry } = await cache.read(viewOf(`jitter:${i}`), seenUpTo(10, 'x'));
      return entry.endsAt - entry.loadedAt;
    }),
  );
  expect([Math.min(...lives) >= 270_000, Math.max(...lives) <= 300_000]).toEqual([true, true]);
  expect(new Set(lives).size).toBeGreaterThan(10);
});

test('every key has a time to live', async () => {
  const view = viewOf('lives:1', 'list', { dependsOn: ['lives:2'] });
  await cache.read(view, seenUpTo(10, 'a'));
  await cache.raise(['lives:1', 'lives:3'], 12);
  await cache.read(view, async (source) => {
    await cache.raise(['lives:1'], 15);
    return seenUpTo(16, 'refused')(source);
  });
  const keys = await connection.redis.keys(`${hashOf('').slice(0, 8)}:*`);
  expect(keys.length).toBeGreaterThanOrEqual(4);
  for (const key of keys) expect([key, (await connection.redis.pttl(key)) > 0]).toEqual([key, true]);
});

test('a large body is compressed once and served compressed', async () => {
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => ({ i })));
  const view = viewOf('large:1');
  await cache.read(view, seenUpTo(10, text));
  const served = await cache.read(view, seenUpTo(10, 'unused'));
  expect(served.entry.encoding).toBe('gzip');
  expect(gunzipSync(served.entry.body).toString()).toBe(text);
});

test('"not found" is cached for at most 30 seconds', async () => {
  const view = viewOf('missing:1');
  await cache.read(view, seenUpTo(10, '{}', { status: 404 }));
  expect((await cache.read(view, seenUpTo(10, 'unused'))).entry.status).toBe(404);
  const [entry] = (await explain(view.entity)).views;
  expect(Date.parse(entry!.endsAt)).toBeLessThanOrEqual(Date.now() + 30_000);
});

test('"not found" is cached no longer than the view’s TTL', async () => {
  const { entry } = await cache.read(viewOf('missing:2', 'v', { ttlSeconds: 10 }), seenUpTo(10, '{}', { status: 404 }));
  expect(entry.endsAt - entry.loadedAt).toBeLessThanOrEqual(10_000);
});

test('a hash holds at most 512 views; more are served but not stored', async () => {
  for (let i = 0; i < 515; i++) await cache.read(viewOf('many:1', `page:${i}`), seenUpTo(10, String(i)));
  expect(await connection.redis.hlen(hashOf('many:1'))).toBe(514);
  expect((await cache.read(viewOf('many:1', 'page:514'), seenUpTo(10, '514'))).entry.body.toString()).toBe('514');
});

test('ended entries are removed to make space for new ones', async () => {
  for (let i = 0; i < 513; i++)
    await cache.read(viewOf('dead:1', `search?q=${i}`, { ttlSeconds: 0.001 }), seenUpTo(10, 'x'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const view = viewOf('dead:1', 'new');
  expect((await cache.read(view, seenUpTo(10, 'real'))).outcome).toBe('miss');
  expect((await cache.read(view, seenUpTo(10, 'unused'))).outcome).toBe('hit');
});

test('ended entries and garbage are removed to make space; the tag and the fence stay', async () => {
  const entity = 'dead:2';
  await cache.raise([entity], 5);
  for (let i = 0; i < 511; i++) await cache.read(viewOf(entity, `search?q=${i}`, { ttlSeconds: 0 }), seenUpTo(10, 'x'));
  await connection.redis.hset(hashOf(entity), 'garbage', 'short');
  const { tag } = await explain(entity);
  const view = viewOf(entity, 'new');
  await cache.read(view, seenUpTo(10, 'real'));
  expect((await cache.read(view, seenUpTo(10, 'unused'))).outcome).toBe('hit');
  expect(await explain(entity)).toMatchObject({ tag, fence: { xids: [5] } });
});

test('in a full hash, an entry voided by a dependency’s fence is replaced', async () => {
  const view = viewOf('full:1', 'page:0', { dependsOn: ['full:2'] });
  await cache.read(view, seenUpTo(10, 'old'));
  for (let i = 1; i < 514; i++) await cache.read(viewOf('full:1', `page:${i}`), seenUpTo(10, 'x'));
  await cache.raise(['full:2'], 20);
  expect((await cache.read(view, seenUpTo(21, 'new'))).outcome).toBe('miss');
  expect((await cache.read(view, seenUpTo(21, 'unused'))).entry.body.toString()).toBe('new');
});

test('an ended entry is served within its grace period while the database is down; a voided one never is', async () => {
  const view = viewOf('grace:1', 'list', { isFenced: false, ttlSeconds: 0.001, graceSeconds: 60 });
  await cache.read(view, seenUpTo(10, 'old'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const down = async () => {
    throw new Unavailable('down');
  };
  const served = await cache.read(view, down);
  expect([served.outcome, served.entry.body.toString()]).toEqual(['stale', 'old']);
  await cache.raise([view.entity], 11);
  await expect(cache.read(view, down)).rejects.toThrow('down');
});

test('an ended entry is served if the database is unavailable or times out, and after no other error', async () => {
  const read = (error: Error, more = {}) => {
    const view = viewOf('grace:2', 'list', { isFenced: false, ttlSeconds: 0, ...more });
    return cache.read(view, async () => {
      throw error;
    });
  };
  const grace = { graceSeconds: 60 };
  await cache.read(viewOf('grace:2', 'list', { isFenced: false, ttlSeconds: 0 }), seenUpTo(10, 'old'));
  for (const error of [new Unavailable('down'), new Deadline('slow')])
    expect((await read(error, grace)).outcome).toBe('stale');
  await expect(read(new Error('a bug'), grace)).rejects.toThrow('a bug');
  await expect(read(new Unavailable('down'))).rejects.toThrow('down');
});

test('a read that must be fenced gets no ended entry, even if it accepts stale ones', async () => {
  const view = viewOf('stale:2', 'list', { ttlSeconds: 0, graceSeconds: 60 });
  const options = { maxStaleSeconds: 60, mustBeFenced: true };
  await cache.read(view, seenUpTo(10, 'old'));
  expect((await cache.read(view, seenUpTo(10, 'new'), options)).entry.body.toString()).toBe('new');
  const down = async () => {
    throw new Unavailable('down');
  };
  await expect(cache.read(view, down, options)).rejects.toThrow('down');
});

test('a client that accepts stale answers gets them without a load', async () => {
  const view = viewOf('stale:1', 'list', { ttlSeconds: 0.001 });
  await cache.read(view, seenUpTo(10, 'old'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const never = async () => {
    throw new Error('loaded');
  };
  expect((await cache.read(view, never, { maxStaleSeconds: 60 })).outcome).toBe('stale');
});
