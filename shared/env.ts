/**
 * The settings of a function. Nothing else reads `process.env`.
 *
 * Each variable is read and checked on first use, then cached. The stack sets them; `.env.example` is generated from
 * this list.
 */
import * as z from 'zod';
import { Config } from './kernel/errors.ts';
import type { JobDeclaration } from './kernel/job.ts';
import { needsCredentials, type Upstream } from './kernel/upstream.ts';

interface Variable<T> {
  schema: z.ZodType<T, string | undefined>;
  purpose: string;
}

const text = z.string().min(1);
const wholeNumber = z.string().regex(/^\d+$/, 'must be a whole number').transform(Number);
const variable = <T>(schema: z.ZodType<T, string | undefined>, purpose: string): Variable<T> => ({ schema, purpose });

export const variables = {
  SERVICE: variable(text, 'Name of the function, in logs and metrics.'),
  LOG_LEVEL: variable(
    z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR', 'SILENT']).default('INFO'),
    'Minimum severity of the logs that are written.',
  ),
  AWS_REGION: variable(text, 'Region; the Lambda runtime sets it.'),
  AWS_ENDPOINT_URL_S3: variable(z.url().optional(), 'S3 endpoint, if it is not the default for the region.'),
  AWS_ENDPOINT_URL_SECRETS_MANAGER: variable(
    z.url().optional(),
    'Secrets Manager endpoint, if it is not the default for the region.',
  ),
  AWS_ACCESS_KEY_ID: variable(text, 'Credentials; the Lambda runtime sets them.'),
  AWS_SECRET_ACCESS_KEY: variable(text, 'Credentials; the Lambda runtime sets them.'),
  AWS_SESSION_TOKEN: variable(z.string().optional(), 'Credentials; the Lambda runtime sets them.'),
  DATABASE_WRITER_HOST: variable(text, 'host[:port] for writes.'),
  DATABASE_READER_HOST: variable(text, 'host[:port] for API reads.'),
  DATABASE_ANALYTICS_HOST: variable(text, 'host[:port] for long-running reads.'),
  DATABASE_NAME: variable(text, 'Name of the database.'),
  DATABASE_READ_SECRET_ARN: variable(text, 'Secret {username, password} of the role for reads.'),
  DATABASE_WRITE_SECRET_ARN: variable(text, 'Secret {username, password} of the role for transactions.'),
  DATABASE_POOL_SIZE: variable(wholeNumber.default(2), 'Maximum connections per container to each host.'),
  DATABASE_TLS: variable(z.enum(['require', 'off']).default('require'), 'Whether connections are encrypted.'),
  DATABASE_CLUSTER_ID: variable(text, 'Identity of the cluster. A restored copy has a different one.'),
  REPLICA_PROOFS: variable(
    z.enum(['status', 'snapshot', 'none']).default('status'),
    'Proofs accepted from a replica: snapshot and transaction status, snapshot only, or none (every load reads from the primary).',
  ),
  DATABASE_LAG_THRESHOLD_MS: variable(
    wholeNumber.default(50),
    'Replica lag above which the API reads from the primary.',
  ),
  REDIS_URL: variable(text, 'redis:// or rediss:// address of the cache, without a password.'),
  REDIS_SECRET_ARN: variable(text.optional(), 'Secret {password} of the cache.'),
  BUS_NAME: variable(text, 'Event bus that the relay publishes to.'),
  ARCHIVE_BUCKET: variable(text, 'Bucket of the archive, with the oldest months of tiered tables.'),
  RELAY_QUEUE_URL: variable(text, 'Queue whose messages start the relay immediately.'),
  WEBHOOK_ALLOWED_ADDRESSES: variable(
    z
      .string()
      .default('')
      .transform((list) => list.split(',').filter((one) => one !== '')),
    'IP addresses that webhooks may be sent to although they are not public, also without TLS. For one machine and tests; never deployed.',
  ),
  ADMIN_TOKEN_SECRET_ARN: variable(text, 'Secret {sha256} of the operator’s bearer token.'),
};

export type VariableName = keyof typeof variables;
type ValueOf<N extends VariableName> = z.output<(typeof variables)[N]['schema']>;

const cached = new Map<string, unknown>();

/**
 * The checked value of a setting.
 *
 * @throws Config  it is missing or malformed; the message names it, never its value
 */
export function env<N extends VariableName>(name: N): ValueOf<N> {
  if (!cached.has(name)) cached.set(name, check<unknown>(name, variables[name].schema));
  return cached.get(name) as ValueOf<N>;
}

/**
 * The queue URL of a job's lane, from `JOBS_QUEUE_URL_<DOMAIN>_<LANE>`.
 *
 * @throws Config  this function may not start jobs in that lane
 */
export function jobsQueueUrl({ domain, lane }: JobDeclaration): string {
  return check(`JOBS_QUEUE_URL_${domain}_${lane}`.toUpperCase(), text);
}

/**
 * The base URL of an upstream and the ARN of its credentials (empty if it needs none), from `UPSTREAM_<NAME>_URL` and
 * `…_SECRET_ARN`.
 *
 * @throws Config  this function may not call the upstream
 */
export function upstreamSettings(upstream: Upstream): { url: string; secretArn: string } {
  const prefix = `UPSTREAM_${upstream.name.toUpperCase()}`;
  return {
    url: check(`${prefix}_URL`, text),
    secretArn: needsCredentials(upstream) ? check(`${prefix}_SECRET_ARN`, text) : '',
  };
}

/** The queues that an operator may inspect, from `QUEUES`: JSON of name → URL. A dead-letter queue ends in `-dead`. */
export function operatedQueues(): Record<string, { url: string; deadLetterUrl: string }> {
  const urls = z.record(z.string(), text);
  const queues = check(
    'QUEUES',
    z.string().transform((json) => urls.parse(JSON.parse(json))),
  );
  return Object.fromEntries(Object.entries(queues).map(([name, url]) => [name, { url, deadLetterUrl: `${url}-dead` }]));
}

/** The secrets of the database roles, from `DATABASE_ROLE_SECRETS`: JSON of role → ARN. Only the migration has it. */
export function roleSecrets(): Record<'writer' | 'worker' | 'reader' | 'console', string> {
  const secrets = z.object({ writer: text, worker: text, reader: text, console: text });
  return check(
    'DATABASE_ROLE_SECRETS',
    z.string().transform((json) => secrets.parse(JSON.parse(json))),
  );
}

/** Clears the cached settings, so that a test can change the environment. */
export function forgetEnv(): void {
  cached.clear();
}

function check<T>(name: string, schema: z.ZodType<T, string | undefined>): T {
  const result = schema.safeParse(process.env[name]);
  if (result.success) return result.data;
  const reason = process.env[name] === undefined ? 'is not set' : (result.error.issues[0]?.message ?? 'is malformed');
  throw new Config(`The setting ${name} ${reason}.`, { details: { setting: name } });
}
