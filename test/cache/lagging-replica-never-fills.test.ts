import { afterAll, expect, test } from 'vitest';
import { startFenceBench } from '../../bench/fence.ts';

const load = { seconds: 4, atLeast: { reads: 600, writes: 120 }, keys: 64, writers: 4, readers: 8 };
const bench = await startFenceBench(200);
afterAll(() => bench.stop());

test('with 200 ms of replica lag, no read is older than a fence raised before it, and no key ends up stale', async () => {
  const report = await bench.run({ ...load, cache: 'fenced' });
  expect(report).toMatchObject({ staleReads: 0, staleKeys: 0 });
  expect(report.hitRate).toBeGreaterThan(0);
});

test('the same holds with a write transaction open throughout, without more loads', async () => {
  const report = await bench.run({ ...load, cache: 'fenced', trouble: 'openTransaction' });
  expect(report).toMatchObject({ staleReads: 0, staleKeys: 0 });
  // each commit causes one miss; an open transaction must not turn every read of a changed key into a miss
  expect(report.loads.onReplica / report.writes).toBeLessThan(2);
});

test('the same holds if only the outbox delivers the fences', async () => {
  expect(await bench.run({ ...load, cache: 'outboxOnly' })).toMatchObject({ staleReads: 0, staleKeys: 0 });
});

test('under the same load, a plain delete-on-write cache ends up stale', async () => {
  const report = await bench.run({ ...load, cache: 'deleteOnWrite' });
  expect(report.staleReads).toBeGreaterThan(0);
  expect(report.staleKeys).toBeGreaterThan(0);
});
