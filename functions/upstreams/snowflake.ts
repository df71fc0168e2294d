import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Snowflake: the warehouse from which holdings, moments, prices, and profiles are synced. */
export const snowflake = {
  name: 'snowflake',
  baseUrl: 'https://{account}.snowflakecomputing.com',
  /** A service user with a key pair: Snowflake's account and user names, and the private key as PKCS #8 PEM. */
  secret: z.object({
    account: z.string().min(1).toLowerCase(),
    user: z.string().min(1),
    privateKey: z.string().includes('PRIVATE KEY'),
    warehouse: z.string().min(1),
    database: z.string().min(1),
    schema: z.string().min(1),
    role: z.string().min(1),
  }),
  requestsPerSecond: 2,
  maxWaitMs: 60_000,
  // Snowflake responds within 45 seconds: with the result, or with a handle of the running statement
  timeoutMs: 90_000,
  maxAttempts: 5,
  // one partition of a result
  maxBytes: 128 * 1024 * 1024,
  reasonIn,
} satisfies Upstream;

/** The reason for a rejected request, such as `000904: SQL compilation error: invalid identifier 'NFT_ID'`. */
function reasonIn(body: string): string | undefined {
  try {
    const { code, message } = JSON.parse(body) as { code?: string; message?: string };
    return message === undefined ? undefined : `${code}: ${message.replaceAll(/\s+/g, ' ').slice(0, 500)}`;
  } catch {
    return undefined;
  }
}
