/** Time that advances only when the schedule says so. It replaces Node's clock and timers, which the cache uses. */
import type { Scheduler } from './scheduler.ts';

const epoch = 1_750_000_000_000;
const real = { now: Date.now, random: Math.random, set: globalThis.setTimeout, clear: globalThis.clearTimeout };

export interface Clock {
  now(): number;
  pass(ms: number): void;
}

export function createClock(): Clock {
  let now = epoch;
  return {
    now: () => now,
    pass: (ms) => {
      now += ms;
    },
  };
}

/** Replaces Node's clock and timers by the schedule's. Returns a function that restores them. */
export function installTime(clock: Clock, scheduler: Scheduler): () => void {
  let timers = 0;
  Date.now = clock.now;
  // fixed jitter, so that replays are exact
  Math.random = () => 0.5;
  globalThis.setTimeout = ((work: () => void) => {
    const label = `timer ${++timers}`;
    scheduler.step(label, work, { isTimer: true });
    return label;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer: string) => {
    if (typeof timer === 'string') scheduler.remove(timer);
    else real.clear(timer);
  }) as typeof clearTimeout;
  return () => {
    Date.now = real.now;
    Math.random = real.random;
    globalThis.setTimeout = real.set;
    globalThis.clearTimeout = real.clear;
  };
}
