import * as z from 'zod';
import type { Upstream } from '../../shared/kernel/upstream.ts';

/** Snowflake: the warehouse that holdings, moments, prices and profiles are synced from. */
export const snowflake = {
  name: 'snowflake',
  baseUrl: 'https://{account}.snowflakecomputing.com',
  /** A service user with a key pair; account and user as Snowflake names them, the key in PKCS #8 PEM. */
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
  // a statement is answered at once, or after 45 seconds with a handle
  timeoutMs: 90_000,
  maxAttempts: 5,
  // one partition of a result
  maxBytes: 128 * 1024 * 1024,
  reasonIn,
} satisfies Upstream;

/** What Snowflake says of a refusal: `000904: SQL compilation error: invalid identifier 'NFT_ID'`. */
function reasonIn(body: string): string | undefined {
  try {
    const { code, message } = JSON.parse(body) as { code?: string; message?: string };
    return message === undefined ? undefined : `${code}: ${message.replaceAll(/\s+/g, ' ').slice(0, 500)}`;
  } catch {
    return undefined;
  }
}
