/** Searches for a schedule that breaks the cache's guarantee. */
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import type { Report } from './explore.ts';
import { type Schedule, schedule } from './schedule.ts';

export interface SearchOptions {
  seed: number;
  runs: number;
  /** How long to shrink a failing schedule; 0 leaves it as found. */
  shrinkMs?: number;
}

export interface Finding {
  violation: string;
  plan: Schedule;
  trace: readonly string[];
}

export interface Search {
  /** How many schedules were run, up to the first failure. */
  schedules: number;
  /** The failing schedule. */
  found: Finding | undefined;
  /** The smallest failing schedule after shrinking. */
  smallest: Finding | undefined;
  /** In how many of the passing schedules each thing happened at least once. */
  happened: Readonly<Record<string, number>>;
}

export type Explore = (plan: Schedule, redis: Redis) => Promise<Report>;

/** Runs the schedules of a seed, which are always the same, in the same order. */
export async function search(explore: Explore, redis: Redis, options: SearchOptions): Promise<Search> {
  const { seed, runs, shrinkMs = 0 } = options;
  const happened: Record<string, number> = {};
  let found: Finding | undefined;
  let smallest: Finding | undefined;
  let shrinksUntil = 0;
  const property = fc.asyncProperty(schedule, async (plan) => {
    // from here on every schedule passes, which ends the shrinking
    if (found && performance.now() > shrinksUntil) return true;
    const { violation, trace, counts } = await explore(plan, redis);
    if (violation) {
      smallest = { violation, plan, trace };
      if (!found) shrinksUntil = performance.now() + shrinkMs;
      found ??= smallest;
    } else if (!found) for (const what of Object.keys(counts)) happened[what] = (happened[what] ?? 0) + 1;
    return violation === undefined;
  });
  const { numRuns } = await fc.check(property, { seed, numRuns: runs, endOnFailure: shrinkMs === 0 });
  return { schedules: numRuns, found, smallest, happened };
}

/** The command that finds the same schedule again. */
export function commandOf(seed: number, { schedules }: Search, fault?: string): string {
  return `npm run test:schedules -- --runs ${schedules} --seed ${seed}${fault ? ` --fault ${fault}` : ''}`;
}
