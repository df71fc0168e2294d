import { AwsClient } from 'aws4fetch';
import * as z from 'zod';
import { env } from './env.ts';
import { Config, Unavailable } from './kernel/errors.ts';

const lifetimeMs = 5 * 60_000;
const kept = new Map<string, { value: Promise<unknown>; until: number }>();

/**
 * The JSON of a secret, checked; kept in this container for five minutes, so that a rotation reaches it.
 *
 * One signed request instead of the SDK's client, which costs an API function more at its start than all else it loads.
 *
 * @throws Unavailable  Secrets Manager did not answer (retryable)
 * @throws Config       the secret has not the expected keys; the message names the secret, never its value
 */
export async function secret<T>(arn: string, shape: z.ZodType<T>): Promise<T> {
  let entry = kept.get(arn);
  if (!entry || entry.until < Date.now()) {
    entry = { value: fetchSecret(arn), until: Date.now() + lifetimeMs };
    kept.set(arn, entry);
    entry.value.catch(() => kept.delete(arn));
  }
  const parsed = shape.safeParse(await entry.value);
  if (!parsed.success) throw new Config(`The secret ${arn} has not the expected keys.`, { details: { arn } });
  return parsed.data;
}

/** Forgets what is kept of a secret after its value was refused, so that the next call fetches it anew. */
export function forgetSecret(arn: string): void {
  kept.delete(arn);
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
      throw new Unavailable('Secrets Manager did not answer.', { cause, details: { arn } });
    });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Unavailable(`Secrets Manager answered ${response.status}.`, { details: { arn } });
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
