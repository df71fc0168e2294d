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
 * history set it, at most once each, and whoever loads the generation next begins a new one. For a while after that,
 * fences are raised in the previous generations too, for readers that have not noticed. A change whose fence was raised
 * only there committed before Redis had the new name. That is why `since` is taken after Redis has it: every load of
 * the generation has to prove that it has seen that transaction, like one more fence, and so has seen every such change.
 */
export interface Generation {
  current: string;
  /** Those that a read may still be in. */
  previous: readonly string[];
  /** The transaction that every load has to have seen; undefined until it exists: then only the writer will do. */
  since: number | undefined;
}

/** The generation in Postgres. */
export interface GenerationSource {
  /** What it is; begins a new one if it is void. */
  load(): Promise<Generation>;
  /** Sets `since` of a generation that has none, once Redis has its name. */
  confirm(name: string): Promise<void>;
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
  let checking: Promise<Known> | undefined;

  /** Looks at Redis' copy; concurrent readers share one look. */
  function check(): Promise<Known> {
    checking ??= look().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  async function look(): Promise<Known> {
    const copy = parse(await connection.attempt((redis) => redis.get(copyKey)));
    const generation = copy ?? (await loadInTime());
    known = { generation: generation ?? known!.generation, isConfirmed: generation !== undefined };
    checkedAt = Date.now();
    return known;
  }

  /** Undefined if Postgres does not answer and something is known already: that goes on being served, as stale. */
  async function loadInTime(): Promise<Generation | undefined> {
    const loading = takeUp(false);
    if (!known) return loading;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), longestWaitMs);
    return Promise.race([loading.catch((): undefined => undefined), late]).finally(() => clearTimeout(timer));
  }

  /** Brings what Postgres says into Redis until both agree; a copy that is there is kept unless it is to be replaced. */
  async function takeUp(overwrites: boolean): Promise<Generation> {
    let replaces = overwrites;
    for (;;) {
      const loaded = await source.load();
      replaces ||= loaded.since === undefined;
      const text = print(loaded);
      const isStored = await connection.attempt((redis) =>
        replaces ? redis.set(copyKey, text, 'PX', copyTtlMs) : redis.set(copyKey, text, 'PX', copyTtlMs, 'NX'),
      );
      if (isStored === null) {
        const copy = parse(await connection.attempt((redis) => redis.get(copyKey)));
        if (copy) return copy;
        continue;
      }
      if (loaded.since === undefined) await source.confirm(loaded.current);
      if (print(await source.load()) === text) return loaded;
    }
  }

  return {
    /** What a read is in, if it was looked at within the last second. */
    fresh: (now: number): Known | undefined => (now - checkedAt < recheckMs ? known : undefined),
    /** What was known last, however long ago. */
    last: (): Known | undefined => known,
    isConfirmed: (): boolean => known?.isConfirmed ?? false,
    check,
    /** What to raise fences in, asked for anew. */
    async forRaise(): Promise<Generation> {
      return parse(await connection.attempt((redis) => redis.get(copyKey))) ?? takeUp(false);
    },
    revoke: () => source.revoke(),
    /** Takes up a generation that was revoked, so that every container has the new one within a second. */
    async renew(): Promise<void> {
      known = { generation: await takeUp(true), isConfirmed: true };
      checkedAt = Date.now();
    },
  };
}

export type Generations = ReturnType<typeof createGenerations>;

function print({ current, since, previous }: Generation): string {
  return [current, since ?? '-', ...previous].join(' ');
}

function parse(text: string | null): Generation | undefined {
  const [current, since, ...previous] = (text ?? '').split(' ');
  if (!current || !/^(-|\d{1,16})$/.test(since ?? '')) return undefined;
  return { current, previous, since: since === '-' ? undefined : Number(since) };
}
