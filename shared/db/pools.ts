import pg from 'pg';
import * as z from 'zod';
import { env } from '../env.ts';
import { log } from '../observability/log.ts';
import { forgetSecret, secret } from '../secrets.ts';

/**
 * Where statements run, and as which role. Reads run on the API's readers (`reader`), on the reader reserved for long
 * queries (`analytics`), or on the primary (`primary`), all as the role for reads. Transactions run on the primary as
 * the role for writes (`writer`).
 */
export type Host = 'writer' | 'primary' | 'reader' | 'analytics';

const settings = {
  writer: { host: 'DATABASE_WRITER_HOST', secret: 'DATABASE_WRITE_SECRET_ARN' },
  primary: { host: 'DATABASE_WRITER_HOST', secret: 'DATABASE_READ_SECRET_ARN' },
  reader: { host: 'DATABASE_READER_HOST', secret: 'DATABASE_READ_SECRET_ARN' },
  analytics: { host: 'DATABASE_ANALYTICS_HOST', secret: 'DATABASE_READ_SECRET_ARN' },
} as const;

/** Whether a host is the primary, where every committed change is visible immediately. */
export function isPrimary(host: Host): boolean {
  return host === 'writer' || host === 'primary';
}

const readerTimeoutMs = 6_000;
const credentials = z.object({ username: z.string(), password: z.string() });
const pools = new Map<Host, Promise<pg.Pool>>();
const ending = new Set<Promise<void>>();
const connected = new Set<pg.Client>();

/**
 * The container's connection pool for a host: opened on first use and reused across invocations.
 *
 * @throws Unavailable  the credentials could not be fetched (retryable)
 */
export function pool(host: Host): Promise<pg.Pool> {
  let opened = pools.get(host);
  if (!opened) {
    opened = open(host);
    pools.set(host, opened);
    opened.catch(() => pools.delete(host));
  }
  return opened;
}

/**
 * Drops a pool whose connections turned out to lead to the wrong server, so that the next one resolves the address
 * again. Work that holds the pool can finish. Does nothing if the pool was already dropped.
 */
export async function dropPool(host: Host, dropped: pg.Pool): Promise<void> {
  const opened = pools.get(host);
  if (!opened || (await opened) !== dropped || pools.get(host) !== opened) return;
  pools.delete(host);
  const ended = endWhenIdle(dropped).finally(() => ending.delete(ended));
  ending.add(ended);
}

async function endWhenIdle(pool: pg.Pool): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve, 100));
  while (pool.waitingCount > 0 || pool.totalCount > pool.idleCount);
  await pool.end();
}

/**
 * Ends every connection at once, those in use too: their transactions roll back and their locks are released. The next use
 * of a host connects again.
 */
export function dropConnections(): void {
  pools.clear();
  for (const client of connected) client.end().catch(() => {});
}

/** Closes all of this container's database connections. */
export async function closePools(): Promise<void> {
  const opened = [...pools.values()];
  pools.clear();
  await Promise.allSettled([...ending, ...opened.map(async (pending) => (await pending).end())]);
  ending.clear();
}

async function open(host: Host): Promise<pg.Pool> {
  const arn = env(settings[host].secret);
  const { username } = await secret(arn, credentials);
  const [name, port = '5432'] = env(settings[host].host).split(':') as [string, string?];
  const opened = new pg.Pool({
    host: name,
    port: Number(port),
    database: env('DATABASE_NAME'),
    user: username,
    // read for each new connection, so that a rotated password needs no restart
    password: async () => (await secret(arn, credentials)).password,
    ssl: env('DATABASE_TLS') === 'require' ? { rejectUnauthorized: true } : false,
    max: env('DATABASE_POOL_SIZE'),
    connectionTimeoutMillis: 3_000,
    // longer than the role's statement timeout, which a frozen server does not enforce
    ...(isPrimary(host) ? {} : { query_timeout: readerTimeoutMs }),
    idleTimeoutMillis: 60_000,
    allowExitOnIdle: true,
    application_name: `tributary ${env('SERVICE')}`,
  });
  // queries report a lost connection themselves; without a listener, the event would end the process
  opened.on('connect', (client) => {
    client.on('error', () => {});
    connected.add(client);
  });
  opened.on('remove', (client) => void connected.delete(client));
  opened.on('error', (error: Error & { code?: string }) => {
    if (error.code?.startsWith('28')) forgetSecret(arn);
    log.warn('idle database connection lost', { host, error });
  });
  return opened;
}
