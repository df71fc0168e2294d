import type * as z from 'zod';

/**
 * A third party whose API the domains call: one file each in `functions/upstreams/`. Operations and jobs name the
 * upstreams they call; their functions alone get its address and credentials.
 */
export interface Upstream<Secret extends z.ZodObject = z.ZodObject> {
  /** Lower case. It names the settings, the secret, the budget and the local stand-in. */
  name: string;
  /** May contain `{key}` for a key of the secret. */
  baseUrl: string;
  /** The JSON secret that holds its credentials. */
  secret: Secret;
  /** The budget that all containers share. */
  requestsPerSecond: number;
  /** How long a request waits for its share of the budget. Default 20,000. */
  maxWaitMs?: number;
  /** How long a response may take. Default 10,000. */
  timeoutMs?: number;
  /** Attempts of one request, the first included. Default 3. */
  maxAttempts?: number;
  /** The largest response accepted, after decompression. Default 20 MB. */
  maxBytes?: number;
  /** The reason in the body of an error response, for the error's message. Never a secret. */
  reasonIn?(body: string): string | undefined;
}
