/**
 * The settings of a function, and the only reader of `process.env`.
 *
 * Each variable is read when first asked for, checked, and kept. The stack sets them; `.env.example` is generated from
 * this list.
 */
import * as z from 'zod';
import { Config } from './kernel/errors.ts';
import type { JobDeclaration } from './kernel/job.ts';
import type { Upstream } from './kernel/upstream.ts';

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
    'The least severe logs that are kept.',
  ),
  AWS_REGION: variable(text, 'Region; the Lambda runtime sets it.'),
  AWS_ENDPOINT_URL_S3: variable(z.url().optional(), 'Endpoint of S3 where it is not the region’s.'),
  AWS_ENDPOINT_URL_SECRETS_MANAGER: variable(
    z.url().optional(),
    'Endpoint of Secrets Manager where it is not the region’s.',
  ),
  AWS_ACCESS_KEY_ID: variable(text, 'Credentials; the Lambda runtime sets them.'),
  AWS_SECRET_ACCESS_KEY: variable(text, 'Credentials; the Lambda runtime sets them.'),
  AWS_SESSION_TOKEN: variable(z.string().optional(), 'Credentials; the Lambda runtime sets them.'),
  DATABASE_WRITER_HOST: variable(text, 'host[:port] that takes writes.'),
  DATABASE_READER_HOST: variable(text, 'host[:port] that the API reads from.'),
  DATABASE_ANALYTICS_HOST: variable(text, 'host[:port] for long reads.'),
  DATABASE_NAME: variable(text, 'Name of the database.'),
  DATABASE_READ_SECRET_ARN: variable(text, 'Secret {username, password} of the role that this function reads as.'),
  DATABASE_WRITE_SECRET_ARN: variable(text, 'Secret {username, password} of the role that its transactions run as.'),
  DATABASE_POOL_SIZE: variable(wholeNumber.default(2), 'Connections a container may open to each host.'),
  DATABASE_TLS: variable(z.enum(['require', 'off']).default('require'), 'Whether connections are encrypted.'),
  DATABASE_CLUSTER_ID: variable(text, 'Identity of the cluster; a restored copy has another one.'),
  REPLICA_PROOFS: variable(
    z.enum(['status', 'snapshot', 'none']).default('status'),
    'What a load from a replica is believed for: both proofs, its snapshot alone, or nothing (all loads go to the writer).',
  ),
  DATABASE_LAG_THRESHOLD_MS: variable(wholeNumber.default(50), 'Replica lag from which the API reads from the writer.'),
  REDIS_URL: variable(text, 'redis:// or rediss:// address of the cache, without a password.'),
  REDIS_SECRET_ARN: variable(text.optional(), 'Secret {password} of the cache.'),
  BUS_NAME: variable(text, 'Event bus the relay publishes on.'),
  RELAY_QUEUE_URL: variable(text, 'Queue whose messages make the relay run at once.'),
  ADMIN_TOKEN_SECRET_ARN: variable(text, 'Secret {sha256} of the operator’s bearer token.'),
};

export type VariableName = keyof typeof variables;
type ValueOf<N extends VariableName> = z.output<(typeof variables)[N]['schema']>;

const known = new Map<string, unknown>();

/**
 * The checked value of a setting.
 *
 * @throws Config  it is missing or malformed; the message names it, never its value
 */
export function env<N extends VariableName>(name: N): ValueOf<N> {
  if (!known.has(name)) known.set(name, check<unknown>(name, variables[name].schema));
  return known.get(name) as ValueOf<N>;
}

/**
 * The queue of a job's lane, from `JOBS_QUEUE_URL_<DOMAIN>_<LANE>`.
 *
 * @throws Config  this function may not start jobs of that lane
 */
export function jobsQueueUrl({ domain, lane }: JobDeclaration): string {
  return check(`JOBS_QUEUE_URL_${domain}_${lane}`.toUpperCase(), text);
}

/**
 * Where an upstream is and which secret holds its credentials, from `UPSTREAM_<NAME>_URL` and `…_SECRET_ARN`.
 *
 * @throws Config  this function may not call the upstream
 */
export function upstreamSettings({ name }: Upstream): { url: string; secretArn: string } {
  const prefix = `UPSTREAM_${name.toUpperCase()}`;
  return { url: check(`${prefix}_URL`, text), secretArn: check(`${prefix}_SECRET_ARN`, text) };
}

/** The names and addresses of all queues an operator may look into, from `QUEUES`: JSON of name → {url, deadLetterUrl}. */
export function operatedQueues(): Record<string, { url: string; deadLetterUrl: string }> {
  const queues = z.record(z.string(), z.object({ url: text, deadLetterUrl: text }));
  return check(
    'QUEUES',
    z.string().transform((json) => queues.parse(JSON.parse(json))),
  );
}

/** The secrets of the database roles, from `DATABASE_ROLE_SECRETS`: JSON of role → ARN; for the migration alone. */
export function roleSecrets(): Record<'writer' | 'worker' | 'reader' | 'console', string> {
  const secrets = z.object({ writer: text, worker: text, reader: text, console: text });
  return check(
    'DATABASE_ROLE_SECRETS',
    z.string().transform((json) => secrets.parse(JSON.parse(json))),
  );
}

/** Forgets what was read, so that a test can change the environment. */
export function forgetEnv(): void {
  known.clear();
}

function check<T>(name: string, schema: z.ZodType<T, string | undefined>): T {
  const result = schema.safeParse(process.env[name]);
  if (result.success) return result.data;
  const reason = process.env[name] === undefined ? 'is not set' : (result.error.issues[0]?.message ?? 'is malformed');
  throw new Config(`The setting ${name} ${reason}.`, { details: { setting: name } });
}
