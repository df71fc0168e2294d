/** Time that moves only when the schedule says so. The cache reads the clock and waits with the functions of Node. */
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

/** Puts the clock and the schedule in the place of Node's time; returns what undoes it. */
export function installTime(clock: Clock, scheduler: Scheduler): () => void {
  let timers = 0;
  Date.now = clock.now;
  // jitter, which a replay has to repeat
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
