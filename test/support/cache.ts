import { randomBytes } from 'node:crypto';
import { afterAll, inject } from 'vitest';
import { type Cache, type CacheOptions, createCache } from '../../shared/cache/read.ts';
import { connectRedis, type RedisConnection } from '../../shared/cache/redis.ts';
import type { CachedView, Loaded } from '../../shared/cache/view.ts';

export interface TestCache {
  cache: Cache;
  connection: RedisConnection;
  namespace: string;
  /** The key of an entity's hash. */
  hashOf(entity: string): string;
}

/** A cache with keys of its own, so that suites do not meet in Redis. */
export async function createTestCache(
  options: Partial<CacheOptions> = {},
  url = inject('services').redisUrl,
): Promise<TestCache> {
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const connection = await connectRedis({ url, onFault: () => {} });
  afterAll(() => connection.close());
  const generation = { load: async () => ({ current: '1', previous: '0' }) };
  const cache = createCache({ redis: connection, generation, maxLoads: 4, namespace, ...options });
  return { cache, connection, namespace, hashOf: (entity) => `${namespace}:1:{${entity}}` };
}

/** A fenced view with a life of five minutes. */
export function viewOf(entity: string, view = 'metadata', more: Partial<CachedView> = {}): CachedView {
  return { entity, view, dependsOn: [], ttlSeconds: 300, kind: 'fenced', ...more };
}

/** What a loader finds that has seen every transaction below `seen`. */
export function seenUpTo(seen: number, body: string): Loaded {
  return { snapshot: { xmin: seen, xmax: seen, xip: [] }, status: 200, body };
}
