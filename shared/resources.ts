/** The cache of this container, connected when first needed and kept between invocations. */
import sql from 'sql-template-tag';
import * as z from 'zod';
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
  cache ??= getRedis().then((connection) =>
    createCache({ redis: connection, generation: { load: loadGeneration }, maxLoads: env('DATABASE_POOL_SIZE') }),
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

async function loadGeneration() {
  const [row] = await query<{ cluster: string; counter: string }>(
    sql`select cluster, counter::text as counter from platform.cache_generation`,
    'sync',
  );
  const name = (counter: number) => `${BigInt(row!.cluster).toString(36)}-${counter}`;
  return { current: name(Number(row!.counter)), previous: name(Number(row!.counter) - 1) };
}
