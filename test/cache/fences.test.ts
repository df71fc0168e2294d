import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFence, passes } from '../../shared/cache/fence.ts';
import { visible } from '../../shared/kernel/snapshot.ts';
import { createTestCache, seenUpTo, viewOf } from '../support/cache.ts';

const { cache, connection, hashOf } = await createTestCache();
let entities = 0;
const newEntity = () => `things:${++entities}`;

test('after a fence is raised no read returns what it hides', async () => {
  const view = viewOf(newEntity());
  const first = await cache.read(view, async () => seenUpTo(100, 'old'));
  expect([first.outcome, first.body.toString()]).toEqual(['miss', 'old']);
  expect((await cache.read(view, async () => seenUpTo(100, 'unused'))).outcome).toBe('hit');
  await cache.raise([view.entity], 100);
  const after = await cache.read(view, async () => seenUpTo(101, 'new'));
  expect([after.outcome, after.body.toString()]).toEqual(['miss', 'new']);
  expect((await cache.read(view, async () => seenUpTo(101, 'unused'))).outcome).toBe('hit');
});

test('an entry that has seen the change survives its fence', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async () => seenUpTo(200, 'newer'));
  await cache.raise([view.entity], 150);
  expect((await cache.read(view, async () => seenUpTo(200, 'unused'))).outcome).toBe('hit');
});

test('a fence of an entity that a view depends on hides it', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.read(view, async () => seenUpTo(100, 'old'));
  await cache.raise([other], 120);
  expect((await cache.read(view, async () => seenUpTo(121, 'new'))).body.toString()).toBe('new');
});

test('a replica that has not seen the change is passed over for the writer', async () => {
  const view = viewOf(newEntity());
  await cache.raise([view.entity], 500);
  const asked: string[] = [];
  const load = async (source: string) => {
    asked.push(source);
    return source === 'replica' ? seenUpTo(400, 'old') : seenUpTo(501, 'new');
  };
  expect((await cache.read(view, load)).body.toString()).toBe('new');
  expect(asked).toEqual(['replica', 'writer']);
});

test('a fill cannot resurrect: a fence raised during the load refuses it', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async () => {
    await cache.raise([view.entity], 300);
    return seenUpTo(300, 'old');
  });
  expect((await cache.read(view, async () => seenUpTo(301, 'new'))).body.toString()).toBe('new');
});

test('a fill cannot resurrect: a hash evicted during the load refuses it', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async () => {
    await cache.raise([view.entity], 300);
    await connection.redis.del(hashOf(view.entity));
    await cache.read(viewOf(view.entity, 'other'), async () => seenUpTo(301, 'other'));
    return seenUpTo(300, 'old');
  });
  expect((await cache.read(view, async () => seenUpTo(301, 'new'))).body.toString()).toBe('new');
});

test('a dependency whose hash was evicted with its fence hides what was stored under it', async () => {
  const other = newEntity();
  const view = viewOf(newEntity(), 'list', { dependsOn: [other] });
  await cache.read(view, async () => seenUpTo(100, 'old'));
  await connection.redis.del(hashOf(other));
  expect((await cache.read(view, async () => seenUpTo(121, 'new'))).body.toString()).toBe('new');
});

test('a newer snapshot is not replaced by an older one', async () => {
  const view = viewOf(newEntity());
  await cache.read(view, async () => {
    // the lease is another container's business: this load is a second one that was slower
    await connection.redis.del(`${hashOf(view.entity)}~lease:${view.view}`);
    await cache.read(view, async () => seenUpTo(900, 'newer'));
    return seenUpTo(800, 'older');
  });
  expect((await cache.read(view, async () => seenUpTo(900, 'unused'))).body.toString()).toBe('newer');
});

test('fences commute and are idempotent', async () => {
  const xids = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 90 });
  await fc.assert(
    fc.asyncProperty(xids, fc.infiniteStream(fc.nat()), async (raised, random) => {
      const [one, two] = [newEntity(), newEntity()];
      for (const xid of raised) await cache.raise([one], xid);
      const shuffled = [...raised, ...raised.slice(0, 5)].map((xid) => [random.next().value!, xid] as const);
      for (const [, xid] of shuffled.sort(([a], [b]) => a - b)) await cache.raise([two], xid);
      const [left, right] = await Promise.all([one, two].map(async (entity) => fenceOf(entity)));
      expect([left!.floor, left!.xids]).toEqual([right!.floor, right!.xids]);
      const smallest = [...new Set(raised)].sort((a, b) => a - b);
      expect(left!.xids).toEqual(smallest.slice(-64));
      expect(left!.floor).toBe(smallest.at(-65) ?? 0);
    }),
    { numRuns: 25 },
  );
});

test('what a fence lets pass has seen every change it stands for', () => {
  const xid = fc.integer({ min: 1, max: 60 });
  const snapshot = fc.tuple(xid, fc.array(xid)).map(([xmin, running]) => {
    const xip = running.filter((one) => one >= xmin);
    return { xmin, xmax: xip.length === 0 ? xmin : Math.max(...xip) + 3, xip };
  });
  fc.assert(
    fc.property(snapshot, fc.array(xid, { maxLength: 20 }), xid, (seen, xids, floor) => {
      const lets = passes(seen, { nonce: 'x', floor, xids });
      const everything = [...xids, ...Array.from({ length: floor }, (_, i) => i + 1)];
      if (lets) expect(everything.every((one) => visible(one, seen))).toBe(true);
    }),
  );
});

async function fenceOf(entity: string) {
  return parseFence(await connection.redis.hgetBuffer(hashOf(entity), '~fence'));
}
