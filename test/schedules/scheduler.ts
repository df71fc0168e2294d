/**
 * Runs actors one step at a time, in the order that a schedule says: at any time each actor waits for its next step to
 * be released, and nothing else runs. So a schedule is replayed exactly by running it again.
 *
 * A step is anything another actor could come before or after: one Redis command, the arrival of its reply, one
 * statement of the database, a timer. Steps of one lane keep their order, as commands on one connection do.
 */
export interface Step {
  actor: number;
  label: string;
  lane: string | undefined;
  isTimer: boolean;
  /** It is not released before so many steps were, while there is another. */
  notBefore: number;
  isReady(): boolean;
  /** Does the work and hands its outcome to who waits for it. */
  release(): Promise<void>;
  /** Fails who waits for it, without doing the work. */
  fail(error: Error): void;
}

/** Leaves the running actor for the `to`-th of those that can go on, and stays with it for so many steps more. */
export interface Switch {
  to: number;
  stay: number;
}

export interface StepOptions {
  lane?: string;
  isTimer?: boolean;
  /** For how many steps it holds back. */
  stall?: number;
  isReady?: () => boolean;
}

const longestRun = 4_000;
/** How long the clock moves when everybody waits for a timer. */
const idleMs = 100;
const { setImmediate: nextTurn } = globalThis;

export function createScheduler(switches: readonly Switch[], passTime: (ms: number) => void) {
  const actors: string[] = [];
  const trace: string[] = [];
  let pending: Step[] = [];
  let current = -1;
  let stay = 0;
  let nextSwitch = 0;
  let isStopped = false;
  let isCalm = false;

  /** Resolves to the outcome of `work`, which runs when the schedule releases it. */
  function step<T>(label: string, work: () => T | Promise<T>, options: StepOptions = {}): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { lane, isTimer = false, stall = 0, isReady = () => true } = options;
    const notBefore = trace.length + stall;
    const release = async () => {
      try {
        resolve(await work());
      } catch (error) {
        reject(error);
      }
    };
    pending.push({ actor: current, label, lane, isTimer, notBefore, isReady, release, fail: reject });
    return promise;
  }

  /** Starts an actor; it runs until its first step. What it throws stops the run. */
  function spawn(name: string, script: () => Promise<void>, onError: (error: unknown) => void): void {
    const before = current;
    current = actors.push(name) - 1;
    script().catch(onError);
    current = before;
  }

  function ready(): Step[] {
    const lanes = new Set<string>();
    return pending.filter((one) => {
      if (one.lane === undefined) return one.isReady();
      if (lanes.has(one.lane)) return false;
      lanes.add(one.lane);
      return true;
    });
  }

  function choose(): Step | undefined {
    const able = ready();
    const busy = able.filter(({ isTimer, notBefore }) => !isTimer && notBefore <= trace.length);
    if (busy.length === 0) return waitLongest(able);
    const own = busy.find(({ actor }) => actor === current);
    if (own && stay-- > 0) return own;
    const change = isCalm ? undefined : switches[nextSwitch++];
    if (!change) return own ?? busy.find(({ actor }) => actor > current) ?? busy[0];
    stay = change.stay;
    const awake = able.filter(({ notBefore }) => notBefore <= trace.length);
    const choices = [...new Set(awake.map(({ actor }) => actor))].sort((a, b) => a - b);
    const chosen = choices[change.to % choices.length];
    return awake.find(({ actor }) => actor === chosen);
  }

  /** Everybody holds back, or waits for a timer. */
  function waitLongest(able: readonly Step[]): Step | undefined {
    const [held] = able.filter(({ isTimer }) => !isTimer).sort((a, b) => a.notBefore - b.notBefore);
    if (!held && able.length > 0) passTime(idleMs);
    return held ?? able[0];
  }

  async function take(one: Step): Promise<void> {
    pending.splice(pending.indexOf(one), 1);
    current = one.actor;
    trace.push(`${actors[one.actor]}: ${one.label}`);
    await one.release();
    // whatever follows from it runs until every actor waits again
    await new Promise((resolve) => nextTurn(resolve));
  }

  return {
    step,
    spawn,
    trace,
    /** Releases steps until none is left, or until it is stopped. */
    async run(): Promise<void> {
      for (let one = choose(); one && !isStopped; one = choose()) {
        if (trace.length > longestRun) throw new Error(`No rest after ${longestRun} steps.`);
        await take(one);
      }
    },
    stop: () => {
      isStopped = true;
    },
    /** From here on one actor runs after the other, and timers last. */
    calm: () => {
      isCalm = true;
    },
    /** Releases what waits in a lane, and what follows in one, until nothing does. */
    async drainLanes(): Promise<void> {
      const inLane = () => ready().find(({ lane }) => lane !== undefined);
      const actor = current;
      for (let one = inLane(); one && !isStopped; one = inLane()) await take(one);
      current = actor;
    },
    /** Fails every step that waits in the lanes of a broken connection. */
    failLanes(lanes: readonly string[], error: Error): void {
      const broken = pending.filter(({ lane }) => lane !== undefined && lanes.includes(lane));
      pending = pending.filter((one) => !broken.includes(one));
      for (const one of broken) one.fail(error);
    },
    /** Takes back a step that was not released yet. */
    remove(label: string): void {
      pending = pending.filter((one) => one.label !== label);
    },
  };
}

export type Scheduler = ReturnType<typeof createScheduler>;
