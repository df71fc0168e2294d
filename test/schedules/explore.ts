/** Runs one schedule, one step at a time: the real cache code and a real Redis, with everything else modeled. */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { createCache } from '../../shared/cache/read.ts';
import { withScripts } from '../../shared/cache/scripts.ts';
import { checkAtRest, startActors } from './actors.ts';
import { createLedger } from './ledger.ts';
import { createLoader } from './loader.ts';
import { createPrimary } from './primary.ts';
import { createRedisServer } from './redis-server.ts';
import { containerCount, type Schedule } from './schedule.ts';
import { createScheduler } from './scheduler.ts';
import { createSource } from './source.ts';
import { createClock, installTime } from './time.ts';

export interface Report {
  /** The first violation, if any. */
  violation: string | undefined;
  /** The steps, in order. */
  trace: readonly string[];
  /** How often each thing happened, such as hits, refused fills, proofs, and evictions. Excludes the final check. */
  counts: Readonly<Record<string, number>>;
}

const loadDeadlineMs = 1_000;

/** Runs a schedule to its end or its first violation, and removes its keys from Redis. */
export async function explore(plan: Schedule, connection: Redis): Promise<Report> {
  const world = createWorld(plan, connection);
  const { scheduler, server, tally } = world;
  const restoreTime = installTime(world.clock, scheduler);
  try {
    startActors(world);
    await scheduler.run();
    await checkAtRest(world);
  } catch (error) {
    tally.fail(error);
  } finally {
    restoreTime();
    await server.remove();
  }
  return { violation: tally.violation(), trace: scheduler.trace, counts: tally.counts };
}

function createWorld(plan: Schedule, connection: Redis) {
  const keyPrefix = `schedule-${randomBytes(6).toString('hex')}.`;
  const clock = createClock();
  const scheduler = createScheduler(plan.switches, clock.pass);
  const tally = createTally(scheduler.stop);
  const primary = createPrimary();
  const server = createRedisServer(withScripts(connection), scheduler, keyPrefix, (command, reply) => {
    if (command === 'fillView') tally.count(reply === 1 ? 'fill' : 'refused fill');
  });
  const generation = createSource(primary, scheduler, keyPrefix, () => tally.count('new generation'));
  if (plan.beginsVoid) generation.makeVoid();
  const copyKey = `${keyPrefix}copy`;
  const createContainer = (_: unknown, i: number) =>
    createCache({
      redis: server.connect(`connection ${i}`),
      generation: generation.source,
      generationKey: copyKey,
      maxLoads: 4,
      loadDeadlineMs,
      onLoad: (proof) => tally.count(`proof by ${proof}`),
    });
  const caches = Array.from({ length: containerCount + 1 }, createContainer);
  const ledger = createLedger(clock.now);
  const loaderOf = createLoader(primary, scheduler, plan.routes);
  /** Number of running loads, by view. */
  const loading = new Map<string, number>();
  return { plan, loading, copyKey, clock, scheduler, tally, primary, server, generation, caches, ledger, loaderOf };
}

export type World = ReturnType<typeof createWorld>;

function createTally(stop: () => void) {
  const counts: Record<string, number> = {};
  let violation: string | undefined;
  let isOver = false;
  return {
    counts,
    count(what: string): void {
      if (!isOver) counts[what] = (counts[what] ?? 0) + 1;
    },
    /** Stops counting. */
    end: () => {
      isOver = true;
    },
    violation: () => violation,
    fail(error: unknown): void {
      violation ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
      stop();
    },
  };
}
