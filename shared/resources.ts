/** The cache of this container, connected when first needed and kept between invocations. */
import sql from 'sql-template-tag';
import * as z from 'zod';
import type { GenerationSource } from './cache/generation.ts';
import { type Cache, createCache } from './cache/read.ts';
import { connectRedis, type RedisConnection } from './cache/redis.ts';
import { query } from './db/read.ts';
import { env } from './env.ts';
import { count } from './observability/metrics.ts';
import { secret } from './secrets.ts';

let redis: Promise<RedisConnection> | undefined;
let cache: Promise<Cache> | undefined;

const onFault = () => count('CacheFaults', 'Count', 1);

/** The container's connection to Redis. */
export function getRedis(): Promise<RedisConnection> {
  redis ??= connect();
  return redis;
}

/** The container's cache. */
export function getCache(): Promise<Cache> {
  cache ??= getRedis().then((redis) =>
    createCache({
      redis,
      generation,
      maxLoads: env('DATABASE_POOL_SIZE'),
      replicaProofs: env('REPLICA_PROOFS'),
      onLoad: (proof) => count('CacheLoads', 'Count', 1, { proof }),
    }),
  );
  return cache;
}

/** Ends the container's connections to Redis. */
export async function closeResources(): Promise<void> {
  const open = redis;
  redis = undefined;
  cache = undefined;
  await (await open)?.close();
}

async function connect(): Promise<RedisConnection> {
  const arn = env('REDIS_SECRET_ARN');
  const password = arn ? (await secret(arn, z.object({ password: z.string() }))).password : undefined;
  return connectRedis({ url: env('REDIS_URL'), onFault, ...(password === undefined ? {} : { password }) });
}

/** The generation in Postgres: always the writer's, since a replica's could be an old one. */
const generation: GenerationSource = {
  async load() {
    const [row] = await query<{ generation: string; previous: string[]; since: string | null }>(
      sql`select generation, previous, since::text from platform.cache_generation_of(${env('DATABASE_CLUSTER_ID')})`,
      'sync',
    );
    const { generation: current, previous, since } = row!;
    return { current, previous, since: since === null ? undefined : Number(since) };
  },
  async confirm(name) {
    await query(sql`select platform.confirm_cache_generation(${name})`, 'sync');
  },
  async revoke() {
    await query(sql`select platform.revoke_cache_generation()`, 'sync');
  },
};
