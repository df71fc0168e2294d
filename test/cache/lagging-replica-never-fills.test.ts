import { afterAll, expect, test } from 'vitest';
import { startFenceBench } from '../../bench/fence.ts';

const load = { seconds: 4, keys: 64, writers: 4, readers: 8 };
const bench = await startFenceBench(200);
afterAll(() => bench.stop());

test('no read is older than a fence raised before it, and no key is stale in the end, with a replica 200 ms behind', async () => {
  const report = await bench.run({ ...load, cache: 'fenced' });
  expect(report).toMatchObject({ staleReads: 0, staleKeys: 0 });
  expect([report.reads > 500, report.writes > 50, report.hitRate > 0]).toEqual([true, true, true]);
});

test('the same holds with a write transaction open throughout, and costs no more loads', async () => {
  const report = await bench.run({ ...load, cache: 'fenced', trouble: 'openTransaction' });
  expect(report).toMatchObject({ staleReads: 0, staleKeys: 0 });
  // each commit makes one miss; an open transaction must not make every read of a changed key one
  expect(report.loads.onReplica / report.writes).toBeLessThan(2);
});

test('the same holds where the outbox alone brings the fences', async () => {
  expect(await bench.run({ ...load, cache: 'outboxOnly' })).toMatchObject({ staleReads: 0, staleKeys: 0 });
});

test('a plain cache that is deleted on write is left stale by the same load', async () => {
  const report = await bench.run({ ...load, cache: 'deleteOnWrite' });
  expect(report.staleReads).toBeGreaterThan(0);
  expect(report.staleKeys).toBeGreaterThan(0);
});
