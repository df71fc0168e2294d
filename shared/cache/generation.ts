import type { RedisConnection } from './redis.ts';

/**
 * The part of every key that makes all keys void when it changes: the cluster's identity and a counter. Postgres holds
 * it; Redis a copy, which a container looks at again after a second.
 *
 * Who raises fences raises them in the generation before as well: a container may go on reading that for a second.
 */
export interface Generation {
  current: string;
  previous: string;
}

export interface GenerationSource {
  load(): Promise<Generation>;
}

const copyTtlMs = 3_600_000;
const recheckMs = 1_000;

/** Gives the generation to read under; asks Redis again when what is known is older than a second. */
export function createGenerations(connection: RedisConnection, source: GenerationSource, namespace: string) {
  const copyKey = `${namespace}:generation`;
  let known: Generation | undefined;
  let checkedAt = 0;

  async function check(): Promise<Generation> {
    const copy = parse(await connection.attempt((redis) => redis.get(copyKey)));
    known = copy ?? (await refresh());
    checkedAt = Date.now();
    return known;
  }

  async function refresh(): Promise<Generation> {
    const loaded = await source.load();
    const text = `${loaded.current} ${loaded.previous}`;
    await connection.attempt((redis) => redis.set(copyKey, text, 'PX', copyTtlMs));
    return loaded;
  }

  return {
    /** The generation for a read: known, unless the last look is a second old. */
    forRead(): Generation | Promise<Generation> {
      if (!known) return check();
      if (Date.now() - checkedAt < recheckMs) return known;
      return check();
    },
    /** The generation for raising fences, asked for anew. */
    forRaise: check,
    /** Puts what Postgres says now into Redis. */
    async renew(): Promise<void> {
      known = await refresh();
      checkedAt = Date.now();
    },
  };
}

function parse(text: string | null): Generation | undefined {
  const [current, previous, ...more] = (text ?? '').split(' ');
  return current && previous && more.length === 0 ? { current, previous } : undefined;
}

export type Generations = ReturnType<typeof createGenerations>;
