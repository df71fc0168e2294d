/** The container's cache and Redis connection: opened on first use, reused across invocations. */
import sql, { type Sql } from 'sql-template-tag';
import * as z from 'zod';
import type { Generation, GenerationSource } from './cache/generation.ts';
import { type Cache, createCache } from './cache/read.ts';
import { connectRedis, type RedisConnection } from './cache/redis.ts';
import { readProvably } from './db/read.ts';
import { env } from './env.ts';
import { Unavailable } from './kernel/errors.ts';
import { count } from './observability/metrics.ts';
import { secret } from './secrets.ts';

let redis: Promise<RedisConnection> | undefined;
let cache: Promise<Cache> | undefined;

const onFault = () => count('CacheFaults', 'Count', 1);

/** The container's connection to Redis. */
export function getRedis(): Promise<RedisConnection> {
  if (!redis) {
    redis = connect();
    redis.catch(() => {
      redis = undefined;
      cache = undefined;
    });
  }
  return redis;
}

/** The container's cache. */
export function getCache(): Promise<Cache> {
  cache ??= getRedis().then((redis) =>
    createCache({
      redis,
      generation,
      // two clusters may share one Redis while one replaces the other
      generationKey: `tributary:generation:${env('DATABASE_CLUSTER_ID')}`,
      maxLoads: env('DATABASE_POOL_SIZE'),
      replicaProofs: env('REPLICA_PROOFS'),
      onLoad: (proof) => count('CacheLoads', 'Count', 1, { proof }),
    }),
  );
  return cache;
}

/** Closes the container's connection to Redis. */
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

/** The generation in Postgres, always read from the primary: a replica's could be outdated. */
const generation: GenerationSource = {
  ensure: () => askPrimary(sql`select * from platform.take_up_cache_generation(${env('DATABASE_CLUSTER_ID')})`),
  peek: () => askPrimary(sql`select * from platform.current_cache_generation()`),
  async revoke() {
    await readProvably(sql`select from platform.revoke_cache_generation()`, { host: 'writer' });
  },
};

/** @throws Unavailable  neither the open connections nor new ones lead to the primary (retryable) */
async function askPrimary(statement: Sql): Promise<Generation> {
  let result = await readProvably<GenerationRow>(statement, { host: 'writer' });
  if (result.evidence.inRecovery)
    result = await readProvably<GenerationRow>(statement, { host: 'writer', insteadOf: result.evidence });
  if (result.evidence.inRecovery) throw new Unavailable('The database has no primary. Retry after the failover.');
  const { generation: current, previous, since } = result.rows[0]!;
  return { current, previous, since: Number(since) };
}
