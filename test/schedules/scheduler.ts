/**
 * Runs actors one step at a time, in the order given by a schedule: every actor waits for its next step to be released,
 * and nothing else runs. So running a schedule again replays it exactly.
 *
 * A step is anything that other actors could precede or follow: a Redis command, the arrival of its reply, a database
 * statement, a timer. Steps in the same lane stay in order, like commands on a connection.
 */
export interface Step {
  actor: number;
  label: string;
  lane: string | undefined;
  isTimer: boolean;
  /** Not released before this many steps were, unless no other step is ready. */
  notBefore: number;
  isReady(): boolean;
  /** Does the work and settles the step's promise. */
  release(): Promise<void>;
  /** Rejects the step's promise without doing the work. */
  fail(error: Error): void;
}

/** Switches to the `to`-th actor that can proceed, and stays with it for `stay` more steps. */
export interface Switch {
  to: number;
  stay: number;
}

export interface StepOptions {
  lane?: string;
  isTimer?: boolean;
  /** For how many steps it waits. */
  stall?: number;
  isReady?: () => boolean;
}

const maxSteps = 4_000;
/** How far the clock advances when all actors wait for timers. */
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

  /** Starts an actor, which runs until its first step. Its errors are passed to `onError`. */
  function spawn(name: string, script: () => Promise<void>, onError: (error: unknown) => void): void {
    const previous = current;
    current = actors.push(name) - 1;
    script().catch(onError);
    current = previous;
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
    const steps = ready();
    const due = steps.filter(({ isTimer, notBefore }) => !isTimer && notBefore <= trace.length);
    if (due.length === 0) return endWait(steps);
    const own = due.find(({ actor }) => actor === current);
    if (own && stay-- > 0) return own;
    const change = isCalm ? undefined : switches[nextSwitch++];
    if (!change) return own ?? due.find(({ actor }) => actor > current) ?? due[0];
    stay = change.stay;
    const awake = steps.filter(({ notBefore }) => notBefore <= trace.length);
    const choices = [...new Set(awake.map(({ actor }) => actor))].sort((a, b) => a - b);
    const chosen = choices[change.to % choices.length];
    return awake.find(({ actor }) => actor === chosen);
  }

  /** Every actor is stalled or waits for a timer: the step with the shortest stall, or the first timer. */
  function endWait(steps: readonly Step[]): Step | undefined {
    const [stalled] = steps.filter(({ isTimer }) => !isTimer).sort((a, b) => a.notBefore - b.notBefore);
    if (!stalled && steps.length > 0) passTime(idleMs);
    return stalled ?? steps[0];
  }

  async function take(one: Step): Promise<void> {
    pending.splice(pending.indexOf(one), 1);
    current = one.actor;
    trace.push(`${actors[one.actor]}: ${one.label}`);
    await one.release();
    // its consequences run until every actor waits again
    await new Promise((resolve) => nextTurn(resolve));
  }

  return {
    step,
    spawn,
    trace,
    /** Releases steps until none is left or it is stopped. */
    async run(): Promise<void> {
      for (let one = choose(); one && !isStopped; one = choose()) {
        if (trace.length > maxSteps) throw new Error(`The schedule did not end within ${maxSteps} steps.`);
        await take(one);
      }
    },
    stop: () => {
      isStopped = true;
    },
    /** From now on, actors run one after another, and timers last. */
    calm: () => {
      isCalm = true;
    },
    /** Releases all steps in lanes, including those that follow, until none is left. */
    async drainLanes(): Promise<void> {
      const inLane = () => ready().find(({ lane }) => lane !== undefined);
      const actor = current;
      for (let one = inLane(); one && !isStopped; one = inLane()) await take(one);
      current = actor;
    },
    /** Fails every pending step in the lanes of a broken connection. */
    failLanes(lanes: readonly string[], error: Error): void {
      const broken = pending.filter(({ lane }) => lane !== undefined && lanes.includes(lane));
      pending = pending.filter((one) => !broken.includes(one));
      for (const one of broken) one.fail(error);
    },
    /** Removes a pending step. */
    remove(label: string): void {
      pending = pending.filter((one) => one.label !== label);
    },
  };
}

export type Scheduler = ReturnType<typeof createScheduler>;
