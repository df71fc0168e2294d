import type { RedisConnection } from './redis.ts';

/**
 * The generation is a random name in every key: a new one voids the whole cache. Postgres holds it, because Redis may
 * lose it, or come back with an old one.
 *
 * A container looks at Redis' copy of it once a second, in the same write as a read. The copy lives for nine seconds;
 * whoever finds none asks Postgres, and asks it again after writing the copy, in case it had changed. So nothing that
 * Redis kept through an outage is served for longer than ten seconds after it is back.
 *
 * Void is a flag in Postgres: clearing everything, a fence that could not be raised, a restored cluster and another
 * history set it, at most once each, and whoever takes the generation up next begins a new one. For a while after that,
 * fences are raised in the previous generations too, for readers that have not noticed. Who raises a fence asks Postgres
 * after its commit, never Redis: so either it knows the new generation, or its change committed before that one began.
 * Changes of the second kind are not remembered in the new one. That is why every load has to have seen `since`, the
 * transaction that began it, like one more fence: who has seen that has seen every change that committed before it.
 */
export interface Generation {
  current: string;
  /** Those that a read may still be in. */
  previous: readonly string[];
  /** The transaction that began it. */
  since: number;
}

/** The generation in Postgres. */
export interface GenerationSource {
  /** What it is; begins a new one if it is void. */
  takeUp(): Promise<Generation>;
  /** What it is, void or not. */
  look(): Promise<Generation>;
  /** Makes it void. */
  revoke(): Promise<void>;
}

/** What a read is in, and whether Postgres or Redis said so within the last second. */
export interface Known {
  generation: Generation;
  isConfirmed: boolean;
}

const copyTtlMs = 9_000;
const recheckMs = 1_000;
const longestWaitMs = 100;

export function createGenerations(connection: RedisConnection, source: GenerationSource, copyKey: string) {
  let known: Known | undefined;
  let checkedAt = 0;
  let looking: { since: number; promise: Promise<Known> } | undefined;
  /** Looks are numbered as they begin, so that one that ends late does not undo a later one. */
  let begun = 0;
  let applied = 0;

  /** Looks at Redis' copy; concurrent readers share a look, unless it has been under way for so long that it is old. */
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
    const taken = copy ?? (await takeUpInTime());
    if (!known || own > applied) {
      known = { generation: taken ?? known!.generation, isConfirmed: taken !== undefined };
      checkedAt = askedAt;
      applied = own;
    }
    return known;
  }

  /** Undefined if Postgres does not answer and something is known already: that goes on being served, as stale. */
  async function takeUpInTime(): Promise<Generation | undefined> {
    const taking = takeUp().then(({ generation }) => generation);
    if (!known) return taking;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), longestWaitMs);
    return Promise.race([taking.catch((): undefined => undefined), late]).finally(() => clearTimeout(timer));
  }

  /** Brings what Postgres says into Redis until both agree. If Redis refuses the write, what Postgres says still holds. */
  async function takeUp(): Promise<{ generation: Generation; refusal?: unknown }> {
    for (let generation = await source.takeUp(); ; ) {
      const text = print(generation);
      let copy: string;
      try {
        copy = await connection.attempt((redis) => redis.copyGeneration(copyKey, text, generation.since, copyTtlMs));
      } catch (refusal) {
        return { generation, refusal };
      }
      const later = copy === text ? undefined : parse(copy);
      if (later) return { generation: later };
      const again = await source.takeUp();
      if (print(again) === text) return { generation };
      generation = again;
    }
  }

  return {
    /** What a read is in, if it was looked at within the last second. */
    fresh: (now: number): Known | undefined => (Math.abs(now - checkedAt) < recheckMs ? known : undefined),
    /** What was known last, however long ago. */
    last: (): Known | undefined => known,
    isConfirmed: (): boolean => known?.isConfirmed ?? false,
    check,
    /** What to raise fences in. */
    forRaise: () => source.look(),
    revoke: () => source.revoke(),
    /** Takes up a generation that was revoked, so that every container has the new one within a second. */
    async renew(): Promise<void> {
      const { generation, refusal } = await takeUp();
      if (refusal) throw refusal;
      known = { generation, isConfirmed: true };
      applied = begun;
      // the next read looks: another may have begun a later one meanwhile
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
