import { randomBytes } from 'node:crypto';
import { afterAll, inject } from 'vitest';
import { explainEntity } from '../../shared/cache/explain.ts';
import type { GenerationSource } from '../../shared/cache/generation.ts';
import { type Cache, type CacheOptions, createCache, hashOf } from '../../shared/cache/read.ts';
import { connectRedis, type RedisConnection } from '../../shared/cache/redis.ts';
import type { CachedView, Load, Loaded } from '../../shared/cache/view.ts';

export interface TestCache {
  cache: Cache;
  connection: RedisConnection;
  /** Options for a second cache that shares this one's entries. */
  shared: Pick<CacheOptions, 'generation' | 'generationKey'>;
  /** The key of an entity's hash. */
  hashOf(entity: string): string;
  /** What Redis has for an entity. */
  explain(entity: string): ReturnType<typeof explainEntity>;
}

export interface TestGeneration extends GenerationSource {
  current: string;
  previous: string[];
  since: number;
  isVoid: boolean;
}

/** A generation that only the test changes. Its name is unique, so suites do not share keys in Redis. */
export function fixedGeneration(): TestGeneration {
  return {
    current: newName(),
    previous: [],
    since: 3,
    isVoid: false,
    async peek() {
      const { current, previous, since } = this;
      return { current, previous, since };
    },
    async ensure() {
      const { current, since } = this;
      if (this.isVoid)
        Object.assign(this, { previous: [current], current: newName(), since: since + 1, isVoid: false });
      return this.peek();
    },
    async revoke() {
      this.isVoid = true;
    },
  };
}

/** A cache with its own keys. */
export async function createTestCache(
  options: Partial<CacheOptions> = {},
  url = inject('services').redisUrl,
): Promise<TestCache> {
  const connection = await connectRedis({ url, onFault: () => {} });
  afterAll(() => connection.close());
  const shared = { generation: fixedGeneration(), generationKey: `${newName()}:generation`, ...options };
  const cache = createCache({ redis: connection, maxLoads: 4, ...shared });
  const { current } = shared.generation as TestGeneration;
  return {
    cache,
    connection,
    shared,
    hashOf: (entity) => hashOf(current, entity),
    explain: async (entity) => explainEntity(connection, await cache.generation(), entity),
  };
}

function newName(): string {
  return randomBytes(4).toString('hex');
}

/** A fenced view with a TTL of five minutes. */
export function viewOf(entity: string, field = 'metadata', more: Partial<CachedView> = {}): CachedView {
  return { entity, field, dependsOn: [], ttlSeconds: 300, isFenced: true, ...more };
}

/** A loader. Both hosts have seen the transactions below `seen`, and no others. */
export function seenUpTo(seen: number, body: string, more: Partial<Loaded> = {}): Load {
  return async ({ host }) => ({
    evidence: { host, inRecovery: host === 'replica', snapshot: { xmin: seen, xmax: seen, xip: [] } },
    status: 200,
    body,
    ...more,
  });
}

/** A loader whose replica has seen less than the writer. Records in `hosts` each host it loads from. */
export function lagging(replica: Load, writer: Load, hosts: string[] = []): Load {
  return async (source) => {
    hosts.push(source.host === 'replica' && source.proving ? 'status' : source.host);
    return (source.host === 'replica' ? replica : writer)(source);
  };
}
