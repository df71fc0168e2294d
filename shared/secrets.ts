import { AwsClient } from 'aws4fetch';
import * as z from 'zod';
import { env } from './env.ts';
import { Config, Unavailable } from './kernel/errors.ts';

const cacheMs = 5 * 60_000;
const cached = new Map<string, { value: Promise<unknown>; expiresAt: number }>();

/**
 * The parsed JSON of a secret. Cached in this container for five minutes, so rotations are picked up.
 *
 * Sends one signed request: loading the SDK client would cost an API function more cold-start time than everything else
 * it loads.
 *
 * @throws Unavailable  Secrets Manager did not respond (retryable)
 * @throws Config       the secret lacks expected keys; the message names the secret, never its value
 */
export async function secret<T>(arn: string, shape: z.ZodType<T>): Promise<T> {
  let entry = cached.get(arn);
  if (!entry || entry.expiresAt < Date.now()) {
    entry = { value: fetchSecret(arn), expiresAt: Date.now() + cacheMs };
    cached.set(arn, entry);
    entry.value.catch(() => cached.delete(arn));
  }
  const parsed = shape.safeParse(await entry.value);
  if (!parsed.success) throw new Config(`The secret ${arn} lacks expected keys.`, { details: { arn } });
  return parsed.data;
}

/** Drops a cached secret after its value was rejected, so that the next call fetches it again. */
export function forgetSecret(arn: string): void {
  cached.delete(arn);
}

async function fetchSecret(arn: string): Promise<unknown> {
  const region = env('AWS_REGION');
  const endpoint = env('AWS_ENDPOINT_URL_SECRETS_MANAGER') ?? `https://secretsmanager.${region}.amazonaws.com`;
  const aws = new AwsClient({ ...credentials(), service: 'secretsmanager', region, retries: 3 });
  const response = await aws
    .fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: JSON.stringify({ SecretId: arn }),
      signal: AbortSignal.timeout(5_000),
    })
    .catch((cause: unknown) => {
      throw new Unavailable('Secrets Manager did not respond.', { cause, details: { arn } });
    });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Unavailable(`Secrets Manager responded with ${response.status}.`, { details: { arn } });
  }
  const { SecretString } = z.object({ SecretString: z.string() }).parse(await response.json());
  return JSON.parse(SecretString);
}

function credentials() {
  const sessionToken = env('AWS_SESSION_TOKEN');
  return {
    accessKeyId: env('AWS_ACCESS_KEY_ID'),
    secretAccessKey: env('AWS_SECRET_ACCESS_KEY'),
    ...(sessionToken ? { sessionToken } : {}),
  };
}
