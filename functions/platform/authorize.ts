import { createHash, timingSafeEqual } from 'node:crypto';
import type { APIGatewayRequestAuthorizerEventV2 } from 'aws-lambda';
import * as z from 'zod';
import { env } from '../../shared/env.ts';
import { operator } from '../../shared/kernel/operation.ts';
import { secret } from '../../shared/secrets.ts';

const shape = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });

interface Decision {
  isAuthorized: boolean;
  /** Checked again by the API functions. */
  context?: { role: typeof operator };
}

/** Authorizes the operator: compares the bearer token's hash with the stored one, in constant time. */
export const handler = async (event: APIGatewayRequestAuthorizerEventV2): Promise<Decision> => {
  const token = /^Bearer ([\x21-\x7e]{1,512})$/.exec(event.headers?.authorization ?? '')?.[1];
  if (token === undefined) return { isAuthorized: false };
  const { sha256 } = await secret(env('ADMIN_TOKEN_SECRET_ARN'), shape);
  const isAuthorized = timingSafeEqual(createHash('sha256').update(token).digest(), Buffer.from(sha256, 'hex'));
  return { isAuthorized, ...(isAuthorized ? { context: { role: operator } } : {}) };
};
