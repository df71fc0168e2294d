import type * as z from 'zod';

/**
 * A third-party API that domains call. Each upstream has a file in `functions/upstreams/`. Operations and jobs list the
 * upstreams that they call, and only their functions get the address and credentials.
 */
export interface Upstream<Secret extends z.ZodObject = z.ZodObject> {
  /** Lower case. Also names its settings, secret, budget, and local stand-in. */
  name: string;
  /** May contain `{key}`, which is replaced by that key of the secret. */
  baseUrl: string;
  /** The shape of the JSON secret with its credentials. Empty: the upstream needs none, and no secret is created. */
  secret: Secret;
  /** The request budget, shared by all containers. */
  requestsPerSecond: number;
  /** How long a request waits for the budget. Default 20,000. */
  maxWaitMs?: number;
  /** How long a response may take. Default 10,000. */
  timeoutMs?: number;
  /** Attempts per request, including the first. Default 3. */
  maxAttempts?: number;
  /** The largest response accepted, after decompression. Default 20 MB. */
  maxBytes?: number;
  /** Extracts the reason from the body of an error response, for the error message. Never a secret. */
  reasonIn?(body: string): string | undefined;
}

/** Whether requests to an upstream need credentials. */
export function needsCredentials({ secret }: Pick<Upstream, 'secret'>): boolean {
  return Object.keys(secret.shape).length > 0;
}
