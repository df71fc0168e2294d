/** The cache of this container, connected when first needed and kept between invocations. */
import sql from 'sql-template-tag';
import * as z from 'zod';
import type { Generation, GenerationSource } from './cache/generation.ts';
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
      // two clusters may share one Redis while one takes the other's place
      generationKey: `tributary:generation:${env('DATABASE_CLUSTER_ID')}`,
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

interface GenerationRow {
  generation: string;
  previous: string[];
  since: string;
}

/** The generation in Postgres: always the writer's, since a replica's could be an old one. */
const generation: GenerationSource = {
  async takeUp() {
    const cluster = env('DATABASE_CLUSTER_ID');
    return toGeneration(
      await query<GenerationRow>(sql`select * from platform.take_up_cache_generation(${cluster})`, 'sync'),
    );
  },
  async look() {
    return toGeneration(await query<GenerationRow>(sql`select * from platform.current_cache_generation()`, 'sync'));
  },
  async revoke() {
    await query(sql`select platform.revoke_cache_generation()`, 'sync');
  },
};

function toGeneration([row]: readonly GenerationRow[]): Generation {
  return { current: row!.generation, previous: row!.previous, since: Number(row!.since) };
}
