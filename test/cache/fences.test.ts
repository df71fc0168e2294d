import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Fence, proofOf } from '../../shared/cache/proof.ts';
import { type Load, Unproven } from '../../shared/cache/view.ts';
import { Deadline } from '../../shared/kernel/errors.ts';
import { visible } from '../../shared/kernel/snapshot.ts';
import { createTestCache, fixedGeneration, lagging, seenUpTo, viewOf } from '../support/cache.ts';

const { cache, connection, explain, hashOf } = await createTestCache();
let entities = 0;
const newEntity = () => `things:${++entities}`;
const never: Load = async () => {
  throw new Error('loaded');
};
const bodyOf = async (served: ReturnType<typeof cache.read>) => (await served).entry.body.toString();

test('after a fence is raised, no read returns what it voided', async () => {
  const view = viewOf(newEntity());
  const first = await cache.read(view, seenUpTo(100, 'old'));
  expect([first.outcome, first.entry.body.toString()]).toEqual(['miss', 'old']);
  expect((await cache.read(view, never)).outcome).toBe('hit');
  await cache.raise([view.entity], 100);
  const after = await cache.read(view, seenUpTo(101, 'new'));
  expect([after.outcome, after.entry.body.toString()]).toEqual(['miss', 'new']);
  expect((await cache.read(view, never)).outcome).toBe('hit');
});

test('a fence on an entity that a view depends on voids it', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.read(view, seenUpTo(100, 'old'));
  expect((await cache.read(view, never)).outcome).toBe('hit');
  await cache.raise([other], 120);
  expect(await bodyOf(cache.read(view, seenUpTo(121, 'new')))).toBe('new');
});

test('data that does not come from Postgres is voided by fences on its entity and dependencies', async () => {
  const [home, other] = [newEntity(), newEntity()];
  const view = viewOf(home, 'v', { dependsOn: [other] });
  for (const entity of [home, other]) {
    await cache.read(view, async () => ({ evidence: undefined, status: 200, body: 'old' }));
    expect((await cache.read(view, never)).outcome).toBe('hit');
    await cache.raise([entity], 50);
    expect((await cache.read(view, async () => ({ evidence: undefined, status: 200, body: 'new' }))).outcome).toBe(
      'miss',
    );
  }
});

test('data that does not come from Postgres is not stored if a fence is raised during its load', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async () => {
    await cache.raise([view.entity], 50);
    return { evidence: undefined, status: 200, body: 'old' };
  });
  expect(await bodyOf(cache.read(view, async () => ({ evidence: undefined, status: 200, body: 'new' })))).toBe('new');
});

test('if the replica has not seen the change, the primary is read', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const asked: string[] = [];
  expect(await bodyOf(cache.read(view, lagging(seenUpTo(400, 'old'), seenUpTo(501, 'new'), asked)))).toBe('new');
  expect(asked).toEqual(['replica', 'status', 'writer']);
});

test('a replica that reports the change as committed is trusted, despite a long transaction in its snapshot', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const asked: string[] = [];
  const replica: Load = async (source) => {
    const committed = source.host === 'replica' && source.proving ? new Set([500]) : new Set<number>();
    const evidence = {
      host: 'replica' as const,
      inRecovery: true,
      snapshot: { xmin: 100, xmax: 501, xip: [] },
      committed,
    };
    return { evidence, status: 200, body: 'new' };
  };
  expect(await bodyOf(cache.read(view, lagging(replica, never, asked)))).toBe('new');
  expect(asked).toEqual(['replica', 'status']);
});

test('a replica without a proof is not read twice', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const load: Load = async (source) => {
    if (source.host === 'replica' && source.proving) throw new Unproven();
    return seenUpTo(source.host === 'writer' ? 501 : 400, source.host)(source);
  };
  expect(await bodyOf(cache.read(view, load))).toBe('writer');
});

test('a timeout on a replica that has a proof is not retried on the primary', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const asked: string[] = [];
  const replica: Load = async (source) => {
    if (source.host === 'replica' && source.proving) throw new Deadline('slow');
    return seenUpTo(400, 'old')(source);
  };
  await expect(cache.read(view, lagging(replica, never, asked))).rejects.toMatchObject({ code: 'deadline' });
  expect(asked).toEqual(['replica', 'status']);
});

test.each([
  ['snapshot', ['replica', 'writer']],
  ['none', ['writer']],
] as const)('with replicaProofs "%s", loads go to %s', async (replicaProofs, expected) => {
  const own = await createTestCache({ replicaProofs });
  await own.cache.raise(['things:1'], 500);
  const asked: string[] = [];
  await own.cache.read(viewOf('things:1'), lagging(seenUpTo(400, 'old'), seenUpTo(501, 'new'), asked));
  expect(asked).toEqual(expected);
});

test('a primary in recovery, or without the change, is asked again over a new connection, then rejected', async () => {
  for (const evidence of [
    { host: 'writer' as const, inRecovery: true, snapshot: { xmin: 900, xmax: 900, xip: [] } },
    { host: 'writer' as const, inRecovery: false, snapshot: { xmin: 400, xmax: 500, xip: [] } },
  ]) {
    const generation = fixedGeneration();
    const before = generation.current;
    const own = await createTestCache({ generation });
    await own.cache.raise(['things:1'], 500);
    const sources: unknown[] = [];
    const load: Load = async (source) => {
      if (source.host === 'replica') return seenUpTo(400, 'old')(source);
      sources.push(source);
      return { evidence, status: 200, body: 'old' };
    };
    await expect(own.cache.read(viewOf('things:1'), load)).rejects.toMatchObject({ code: 'unavailable' });
    expect(sources).toEqual([{ host: 'writer' }, { host: 'writer', insteadOf: expect.anything() }]);
    // a different history voids the cache; a server in recovery does not
    expect(generation.current === before).toBe(evidence.inRecovery);
  }
});

test('a primary that is reached over a new connection is trusted', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const load: Load = async (source) =>
    seenUpTo(source.host === 'writer' && source.insteadOf ? 501 : 400, source.host)(source);
  expect(await bodyOf(cache.read(view, load))).toBe('writer');
  expect((await cache.read(view, never)).outcome).toBe('hit');
});

test('a fill cannot restore old data: a fence raised during the load prevents it', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async (source) => {
    await cache.raise([view.entity], 300);
    return seenUpTo(300, 'old')(source);
  });
  expect(await bodyOf(cache.read(view, seenUpTo(301, 'new')))).toBe('new');
});

test('a fill cannot restore old data: a dependency’s fence raised during the load voids it', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.read(view, async (source) => {
    await cache.raise([other], 300);
    return seenUpTo(300, 'old')(source);
  });
  expect(await bodyOf(cache.read(view, seenUpTo(301, 'new')))).toBe('new');
});

test('a fill cannot restore old data: an eviction of the hash during the load prevents it', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async (source) => {
    await cache.raise([view.entity], 300);
    await connection.redis.del(hashOf(view.entity));
    await cache.read(viewOf(view.entity, 'other'), seenUpTo(301, 'other'));
    return seenUpTo(300, 'old')(source);
  });
  expect(await bodyOf(cache.read(view, seenUpTo(301, 'new')))).toBe('new');
});

test('evicting a dependency’s hash and fence voids what was stored under it', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.read(view, seenUpTo(100, 'old'));
  await connection.redis.del(hashOf(other));
  expect(await bodyOf(cache.read(view, seenUpTo(121, 'new')))).toBe('new');
});

test('an entry outlives the fence margin even if its dependency is not accessed', async () => {
  const marginMs = 30_000;
  const own = await createTestCache({ marginMs });
  await own.cache.read(viewOf('home:1', 'list', { dependsOn: ['dep:1'], ttlSeconds: 300 }), seenUpTo(10, 'x'));
  for (const entity of ['home:1', 'dep:1'])
    expect(await own.connection.redis.pttl(own.hashOf(entity))).toBeGreaterThan(marginMs + 200_000);
});

test('a view with a short TTL shortens the life of neither its hash nor its dependencies', async () => {
  const own = await createTestCache({ marginMs: 30_000 });
  for (const [field, ttlSeconds] of [['long', 300] as const, ['short', 1] as const])
    await own.cache.read(viewOf('home:1', field, { dependsOn: ['dep:1'], ttlSeconds }), seenUpTo(10, 'x'));
  for (const entity of ['home:1', 'dep:1'])
    expect(await own.connection.redis.pttl(own.hashOf(entity))).toBeGreaterThan(200_000);
});

test('a fence and the tags that a load began under are kept for the whole margin', async () => {
  const own = await createTestCache({ marginMs: 600_000, loadDeadlineMs: 5_000 });
  const lifeOf = (entity: string) => own.connection.redis.pttl(own.hashOf(entity));
  await own.cache.raise(['raised:1'], 5);
  expect(await lifeOf('raised:1')).toBeGreaterThan(500_000);
  await own.cache.read(viewOf('home:1', 'list', { dependsOn: ['dep:1'] }), async (source) => {
    for (const entity of ['home:1', 'dep:1']) expect(await lifeOf(entity)).toBeGreaterThan(500_000);
    return seenUpTo(10, 'x')(source);
  });
});

test('an ended entry is kept through its grace period', async () => {
  const view = viewOf('graceful:1', 'list', { isFenced: false, graceSeconds: 3_600 });
  await cache.read(view, seenUpTo(10, 'x'));
  expect(await connection.redis.pttl(hashOf(view.entity))).toBeGreaterThan(3_600_000);
});

test('if the replica has not seen a change to a dependency, the primary is read', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.raise([other], 500);
  const asked: string[] = [];
  expect(await bodyOf(cache.read(view, lagging(seenUpTo(400, 'old'), seenUpTo(501, 'new'), asked)))).toBe('new');
  expect(asked).toEqual(['replica', 'status', 'writer']);
});

test('without the cache too, a primary in recovery is asked again over a new connection, then rejected', async () => {
  const view = viewOf(newEntity(), 'all', { isFenced: false });
  const sources: unknown[] = [];
  const load: Load = async (source) => {
    sources.push(source);
    return {
      evidence: { host: 'writer', inRecovery: true, snapshot: { xmin: 9, xmax: 9, xip: [] } },
      status: 200,
      body: 'old',
    };
  };
  await expect(cache.read(view, load, { mustBeFenced: true })).rejects.toMatchObject({ code: 'unavailable' });
  expect(sources).toEqual([{ host: 'writer' }, { host: 'writer', insteadOf: expect.anything() }]);
});

test('an ended entry is replaced even if the replica’s snapshot is older than the previous one', async () => {
  const view = viewOf(newEntity(), 'price', { ttlSeconds: 0.001 });
  const snapshot = { xmin: 100, xmax: 5_000, xip: [100] };
  await cache.read(view, async ({ host }) => ({
    evidence: { host, inRecovery: false, snapshot },
    status: 200,
    body: 'old',
  }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const later = { ...view, ttlSeconds: 300 };
  expect((await cache.read(later, seenUpTo(100, 'new'))).outcome).toBe('miss');
  expect(await bodyOf(cache.read(later, never))).toBe('new');
});

test('a delivery whose transaction is remembered does not void the views again', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 300);
  await cache.read(view, seenUpTo(301, 'new'));
  await cache.raise([view.entity], 300);
  await cache.raise([view.entity], 300, 'second');
  expect((await cache.read(view, never)).outcome).toBe('hit');
});

test('a second delivery raises the fence of a lost hash', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 300);
  await connection.redis.del(hashOf(view.entity));
  await cache.read(view, seenUpTo(300, 'old'));
  await cache.raise([view.entity], 300, 'second');
  expect(await bodyOf(cache.read(view, seenUpTo(301, 'new')))).toBe('new');
});

test('at or below the forgotten xid, a first delivery is a late commit and a second one is ignored', async () => {
  const view = viewOf(newEntity());
  for (let xid = 1_001; xid <= 1_300; xid++) await cache.raise([view.entity], xid);
  expect((await explain(view.entity)).fence).toMatchObject({ forgotten: 1_044 });
  await cache.read(view, seenUpTo(1_301, 'before'));
  for (const xid of [1_010, 1_044]) await cache.raise([view.entity], xid, 'second');
  expect((await cache.read(view, never)).outcome).toBe('hit');
  await cache.raise([view.entity], 900);
  expect(await bodyOf(cache.read(view, seenUpTo(1_301, 'after')))).toBe('after');
});

test('fences commute and are idempotent', async () => {
  const xid = fc.integer({ min: 1, max: 900 });
  const many = fc.uniqueArray(xid, { minLength: 258, maxLength: 320 });
  const xids = fc.oneof(many, fc.array(xid, { minLength: 1, maxLength: 320 }));
  await fc.assert(
    fc.asyncProperty(xids, fc.infiniteStream(fc.nat()), async (raised, random) => {
      const [one, two] = [newEntity(), newEntity()];
      await Promise.all(raised.map((xid) => cache.raise([one], xid)));
      const shuffled = [...raised, ...raised.slice(0, 5)].map((xid) => [random.next().value!, xid] as const);
      for (const [, xid] of shuffled.sort(([a], [b]) => a - b)) await cache.raise([two], xid);
      const [left, right] = await Promise.all([explain(one), explain(two)]);
      const smallest = [...new Set(raised)].sort((a, b) => a - b);
      for (const { fence } of [left, right]) {
        expect([...fence.xids].sort((a, b) => a - b)).toEqual(smallest.slice(-256));
        expect(fence.forgotten).toBe(smallest.at(-257) ?? 0);
      }
    }),
    { numRuns: 15 },
  );
});

test('a load with a proof has seen every change behind the fences', () => {
  const xid = fc.integer({ min: 1, max: 60 });
  const fence: fc.Arbitrary<Fence> = fc.record({
    forgotten: fc.integer({ min: 0, max: 20 }),
    xids: fc.array(xid, { maxLength: 20 }),
  });
  // a server: its open transactions, and whether its snapshot lists them (the primary) or not (a replica)
  const server = fc.record({ next: fc.integer({ min: 2, max: 70 }), open: fc.array(xid), omitsXip: fc.boolean() });
  fc.assert(
    fc.property(server, fc.array(fence, { maxLength: 4 }), fc.array(xid), ({ next, open, omitsXip }, fences, asked) => {
      const running = [...new Set(open.filter((one) => one < next))];
      const isVisible = (one: number) => one < next && !running.includes(one);
      const snapshot = { xmin: Math.min(next, ...running), xmax: next, xip: omitsXip ? [] : running };
      const committed = new Set(asked.filter(isVisible));
      const proof = proofOf({ host: 'replica', inRecovery: true, snapshot, committed }, fences);
      const all = fences.flatMap(({ forgotten, xids }) => [
        ...xids,
        ...Array.from({ length: forgotten }, (_, i) => i + 1),
      ]);
      if (proof) expect(all.every(isVisible)).toBe(true);
      for (const one of all) if (visible(one, snapshot)) expect(isVisible(one)).toBe(true);
    }),
  );
});
