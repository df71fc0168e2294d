import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, expect, inject, test } from 'vitest';
import { explore } from './explore.ts';
import { faults, forgetful } from './faults.ts';
import { withFault } from './plant.ts';
import { schedule } from './schedule.ts';
import { commandOf, type Explore, type Search, search } from './search.ts';

const seed = 6;
const redis = new Redis(inject('services').redisUrl);
afterAll(() => redis.disconnect());

/** The result of a search. A failure includes the command that reproduces it. */
function verdict(result: Search, fault?: string): string {
  const { found } = result;
  return found ? `${found.violation}\n${found.trace.join('\n')}\n${commandOf(seed, result, fault)}` : 'no violation';
}

/** The minimum percentage of schedules in which each thing must happen. */
const minShares: Readonly<Record<string, number>> = {
  hit: 75,
  fill: 95,
  'refused fill': 40,
  'proof by snapshot': 80,
  'proof by status': 5,
  'proof by writer': 30,
  'another’s result': 1,
  eviction: 10,
  failover: 20,
  clear: 20,
  'new generation': 30,
  'broken connection': 4,
  'stale while a delivery is due': 0.5,
};

test('in any order of events, a read shows every change that it owes', { timeout: 180_000 }, async () => {
  const result = await search(explore, redis, { seed, runs: 2_000 });
  expect(verdict(result)).toBe('no violation');
  const rare = Object.entries(minShares).filter(
    ([what, minShare]) => (100 * (result.happened[what] ?? 0)) / result.schedules < minShare,
  );
  expect(rare).toEqual([]);
});

test('the same holds if an entity remembers only one fence', { timeout: 180_000 }, async () => {
  const run = (one: Explore) => search(one, redis, { seed, runs: 2_000 });
  expect(verdict(await withFault(forgetful, run), forgetful.name)).toBe('no violation');
});

test.for(faults)('a planted fault is found: $name', { timeout: 180_000 }, async (fault) => {
  const { found } = await withFault(fault, (one) => search(one, redis, { seed, runs: 3_000 }));
  expect(found?.violation).toBeDefined();
});

test('a seed replays its schedules step by step', async () => {
  for (const plan of fc.sample(schedule, { seed, numRuns: 20 })) {
    const [once, again] = [await explore(plan, redis), await explore(plan, redis)];
    expect(again.trace).toEqual(once.trace);
  }
});

test('a fault that no longer applies is an error', async () => {
  const stale = { name: 'stale', edits: [{ file: 'shared/cache/proof.ts', from: 'no such text', to: '' }] };
  await expect(withFault(stale, async () => {})).rejects.toThrow('no longer applies');
});
