import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { closePools } from '../../shared/db/pools.ts';
import { forgetEnv } from '../../shared/env.ts';
import { closeResources } from '../../shared/resources.ts';
import { waitFor } from './wait-for.ts';

export interface TestDatabase {
  name: string;
  /** The suite's own pool, connected as the owner. */
  pool: pg.Pool;
}

/**
 * Creates a database for one suite by cloning the migrated template, and sets the environment so that the code under
 * test uses it. Drops the database after the suite, which fails if it left a connection open.
 */
export async function createDatabase(environment: Record<string, string> = {}): Promise<TestDatabase> {
  const services = inject('services');
  const name = `suite_${randomBytes(6).toString('hex')}`;
  const admin = connection('postgres');
  await admin.query(`create database ${name} template template_migrated`);
  await replicaCaughtUp(admin);
  Object.assign(process.env, {
    STAGE: 'test',
    SERVICE: name,
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'SILENT',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_S3: services.queuesUrl,
    AWS_ENDPOINT_URL_SQS: services.queuesUrl,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: services.secretsUrl,
    DATABASE_WRITER_HOST: services.writer,
    DATABASE_READER_HOST: services.reader,
    DATABASE_ANALYTICS_HOST: services.reader,
    DATABASE_NAME: name,
    DATABASE_CLUSTER_ID: 'test',
    DATABASE_READ_SECRET_ARN: 'owner',
    DATABASE_WRITE_SECRET_ARN: 'owner',
    DATABASE_POOL_SIZE: '4',
    DATABASE_TLS: 'off',
    DATABASE_LAG_THRESHOLD_MS: '10000',
    REDIS_URL: await emptyRedis(services.redisUrl),
    POWERTOOLS_DEV: 'false',
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_TRACE_ENABLED: 'false',
    ...environment,
  });
  forgetEnv();
  const pool = connection(name);
  afterAll(async () => {
    await closeResources();
    await closePools();
    await pool.end();
    const left = await leftOpen(admin, name);
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
    if (left.length > 0) throw new Error(`the suite left connections open: ${JSON.stringify(left)}`);
  });
  return { name, pool };
}

/** Waits until the replica has caught up with the primary, so that it has the new database too. */
export async function replicaCaughtUp(admin: pg.Pool): Promise<void> {
  const { rows } = await admin.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  await waitFor('the replica', async () => {
    const replayed = await admin.query(`select 1 from pg_stat_replication where replay_lsn >= $1::pg_lsn`, [
      rows[0]!.lsn,
    ]);
    return replayed.rowCount === 1;
  });
}

/** Empties this worker's logical database in Redis and returns its URL. A worker runs one suite at a time. */
async function emptyRedis(url: string): Promise<string> {
  const own = `${url}/${process.env.VITEST_POOL_ID ?? 0}`;
  const redis = new Redis(own);
  await redis.flushdb();
  await redis.quit();
  return own;
}

/** The connections that stay open. The server needs a moment to close one that has just ended. */
async function leftOpen(admin: pg.Pool, name: string): Promise<unknown[]> {
  for (let look = 0; ; look++) {
    const { rows } = await admin.query(
      `select application_name, state, left(query, 80) as query from pg_stat_activity where datname = $1 and backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || look === 50) return rows;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function connection(database: string): pg.Pool {
  const [host, port] = inject('services').writer.split(':');
  const pool = new pg.Pool({ host: host!, port: Number(port), database, user: 'owner', password: 'owner', max: 4 });
  pool.on('error', () => {});
  return pool;
}
