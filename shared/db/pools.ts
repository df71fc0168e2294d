import pg from 'pg';
import * as z from 'zod';
import { env } from '../env.ts';
import { log } from '../observability/log.ts';
import { forgetSecret, secret } from '../secrets.ts';

/** The hosts of the cluster: the writer, the API's readers, the reader that is kept apart for long queries. */
export type Host = 'writer' | 'reader' | 'analytics';

const hostVariables = {
  writer: 'DATABASE_WRITER_HOST',
  reader: 'DATABASE_READER_HOST',
  analytics: 'DATABASE_ANALYTICS_HOST',
} as const;

const readerTimeoutMs = 6_000;
const credentials = z.object({ username: z.string(), password: z.string() });
const pools = new Map<Host, Promise<pg.Pool>>();
const ending = new Set<Promise<void>>();

/**
 * The connections of this container to a host: few, opened when first needed, kept between invocations.
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
 * Drops the connections to a host that turned out to lead to the wrong server: the next one asks for the address again.
 * Who holds the pool already finishes with it. Does nothing if `found` was dropped before.
 */
export async function dropPool(host: Host, found: pg.Pool): Promise<void> {
  const opened = pools.get(host);
  if (!opened || (await opened) !== found || pools.get(host) !== opened) return;
  pools.delete(host);
  const ended = endWhenIdle(found).finally(() => ending.delete(ended));
  ending.add(ended);
}

async function endWhenIdle(pool: pg.Pool): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve, 100));
  while (pool.waitingCount > 0 || pool.totalCount > pool.idleCount);
  await pool.end();
}

/** Ends every connection of this container. */
export async function closePools(): Promise<void> {
  const opened = [...pools.values()];
  pools.clear();
  await Promise.allSettled([...ending, ...opened.map(async (pending) => (await pending).end())]);
  ending.clear();
}

async function open(host: Host): Promise<pg.Pool> {
  const arn = env('DATABASE_SECRET_ARN');
  const { username } = await secret(arn, credentials);
  const [name, port = '5432'] = env(hostVariables[host]).split(':') as [string, string?];
  const opened = new pg.Pool({
    host: name,
    port: Number(port),
    database: env('DATABASE_NAME'),
    user: username,
    // asked for at each connection, so that a rotated password is taken up without a restart
    password: async () => (await secret(arn, credentials)).password,
    ssl: env('DATABASE_TLS') === 'require' ? { rejectUnauthorized: true } : false,
    max: env('DATABASE_POOL_SIZE'),
    connectionTimeoutMillis: 3_000,
    // past the role's own statement timeout: a server that has frozen does not keep it
    ...(host === 'reader' ? { query_timeout: readerTimeoutMs } : {}),
    idleTimeoutMillis: 60_000,
    allowExitOnIdle: true,
    application_name: `tributary ${env('SERVICE')}`,
  });
  // a connection that is lost while it is in use tells the query; without a listener it would end the process as well
  opened.on('connect', (client) => client.on('error', () => {}));
  opened.on('error', (error: Error & { code?: string }) => {
    if (error.code?.startsWith('28')) forgetSecret(arn);
    log.warn('an idle database connection was lost', { host, error });
  });
  return opened;
}
