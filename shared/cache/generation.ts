import type { RedisConnection } from './redis.ts';

/**
 * The generation is a random name that is part of every key: a new generation voids the whole cache. It is stored in
 * Postgres, because Redis may lose it or come back with an old one.
 *
 * A container checks Redis' copy of it once a second, in the same write as a read. The copy expires after nine seconds.
 * A container that finds none asks Postgres, and asks again after writing the copy, in case the generation changed
 * meanwhile. So nothing that Redis kept through an outage is served for longer than ten seconds after it is back.
 *
 * Postgres has a flag that marks the generation as void. Clearing everything, a fence that could not be raised, a
 * restored cluster, and a different history set it, at most once each, and the next container to ask for the generation
 * begins a new one. For a while after that, fences are raised in the previous generations too, for readers that have
 * not noticed. To raise a fence, a container asks Postgres for the generation after the commit, and never Redis. So
 * either it knows the new generation, or its change committed before that generation began. Changes of the second kind
 * are not remembered in the new one. That is why every load must have seen `since`, the transaction that began the
 * generation, like one more fence: a load that has seen it has seen every change that committed before it.
 */
export interface Generation {
  current: string;
  /** Earlier generations that a read may still use. */
  previous: readonly string[];
  /** The transaction that began it. */
  since: number;
}

/** The generation in Postgres. */
export interface GenerationSource {
  /** The current generation; begins a new one if it is void. */
  ensure(): Promise<Generation>;
  /** The current generation, void or not. */
  peek(): Promise<Generation>;
  /** Marks the current generation as void. */
  revoke(): Promise<void>;
}

/** The generation that a read uses, and whether Postgres or Redis confirmed it within the last second. */
export interface Known {
  generation: Generation;
  isConfirmed: boolean;
}

const copyTtlMs = 9_000;
const recheckMs = 1_000;
const maxWaitMs = 100;

export function createGenerations(connection: RedisConnection, source: GenerationSource, copyKey: string) {
  let known: Known | undefined;
  let checkedAt = 0;
  let looking: { since: number; promise: Promise<Known> } | undefined;
  /** Checks are numbered as they begin, so that one that ends late does not undo a later one. */
  let begun = 0;
  let applied = 0;

  /** Checks Redis' copy. Concurrent readers share a check, unless it has been in flight for a second. */
  function check(): Promise<Known> {
    const now = Date.now();
    if (!looking || now - looking.since >= recheckMs) {
      const own = { since: now, promise: look(now) };
      const settle = () => {
        if (looking === own) looking = undefined;
      };
      own.promise.then(settle, settle);
      looking = own;
    }
    return looking.promise;
  }

  async function look(askedAt: number): Promise<Known> {
    const own = ++begun;
    const copy = parse(await connection.attempt((redis) => redis.get(copyKey)));
    const confirmed = copy ?? (await refreshCopyInTime());
    if (!known || own > applied) {
      known = { generation: confirmed ?? known!.generation, isConfirmed: confirmed !== undefined };
      checkedAt = askedAt;
      applied = own;
    }
    return known;
  }

  /** Undefined if Postgres does not respond and a generation is known, which then continues to be used, as stale. */
  async function refreshCopyInTime(): Promise<Generation | undefined> {
    const refreshing = refreshCopy().then(({ generation }) => generation);
    if (!known) return refreshing;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), maxWaitMs);
    return Promise.race([refreshing.catch((): undefined => undefined), late]).finally(() => clearTimeout(timer));
  }

  /**
   * Copies the generation from Postgres to Redis until both agree. If Redis refuses the write, Postgres still decides.
   */
  async function refreshCopy(): Promise<{ generation: Generation; refusal?: unknown }> {
    for (let generation = await source.ensure(); ; ) {
      const text = print(generation);
      let copy: string;
      try {
        copy = await connection.attempt((redis) => redis.copyGeneration(copyKey, text, generation.since, copyTtlMs));
      } catch (refusal) {
        return { generation, refusal };
      }
      const later = copy === text ? undefined : parse(copy);
      if (later) return { generation: later };
      const again = await source.ensure();
      if (print(again) === text) return { generation };
      generation = again;
    }
  }

  return {
    /** The generation that a read uses, if it was checked within the last second. */
    fresh: (now: number): Known | undefined => (Math.abs(now - checkedAt) < recheckMs ? known : undefined),
    /** The last known generation, however old. */
    last: (): Known | undefined => known,
    isConfirmed: (): boolean => known?.isConfirmed ?? false,
    check,
    /** The generations to raise fences in. */
    forRaise: () => source.peek(),
    revoke: () => source.revoke(),
    /** Begins a new generation if the current one was revoked, so that every container has it within a second. */
    async renew(): Promise<void> {
      const { generation, refusal } = await refreshCopy();
      if (refusal) throw refusal;
      known = { generation, isConfirmed: true };
      applied = begun;
      // the next read checks: another container may have begun a later one meanwhile
      checkedAt = 0;
    },
  };
}

export type Generations = ReturnType<typeof createGenerations>;

function print({ current, since, previous }: Generation): string {
  return [current, since, ...previous].join(' ');
}

function parse(text: string | null): Generation | undefined {
  const [current, since, ...previous] = (text ?? '').split(' ');
  return current && /^\d{1,16}$/.test(since ?? '') ? { current, previous, since: Number(since) } : undefined;
}
