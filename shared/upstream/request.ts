/** Requests to third parties: retried where that is safe, bounded in time and size, and never with a key in an error. */
import {
  BrokenCircuitError,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  type IPolicy,
  type IRetryBackoffContext,
  retry,
  wrap,
} from 'cockatiel';
import { Deadline, InvalidInput, NotFound, RateLimited, TributaryError, Upstream } from '../kernel/errors.ts';

export interface UpstreamSettings {
  /** As errors and metrics call it. */
  name: string;
  /** Called before each attempt: takes a point of the shared budget. */
  budget(): Promise<void>;
  timeoutMs?: number;
  attempts?: number;
  /** The largest answer that is taken, unpacked; 20 MB unless told. */
  bytesAtMost?: number;
  /** The vendor's own words in the body of a refusal, for the error's message; never a secret. */
  reasonIn?(body: string): string | undefined;
}

export interface UpstreamRequest {
  /** What is asked, in words without a key: `getContractMetadata`. */
  operation: string;
  /** Given the attempt, from 0, where a repeated call has to say that it is one. */
  url: string | ((attempt: number) => string);
  headers?: Record<string, string>;
  /** Sent as JSON by POST. The call must be safe to repeat. */
  body?: unknown;
}

export type RequestJson = (request: UpstreamRequest) => Promise<unknown>;

const bytesAtMostByDefault = 20 * 1024 * 1024;
const longestRetryAfterSeconds = 30;
const firstBackoffMs = 200;
const longestBackoffMs = 5_000;
const retryableStatus = new Set([408, 425, 500, 502, 503, 504]);

/**
 * A client of one third party.
 *
 * @throws NotFound     404
 * @throws RateLimited  429 for longer than is worth waiting for; or a monthly quota is used up, which is not retried
 * @throws Upstream     5xx, a connection lost, an answer cut short (retryable), after the last attempt
 * @throws Deadline     no answer in time (retryable)
 */
export function createRequest(settings: UpstreamSettings): RequestJson {
  const { name, budget } = settings;
  const policy = createPolicy(settings.attempts ?? 3);
  return async ({ operation, url, headers, body }) => {
    const attempt = async (context: object) => {
      await budget();
      const target = typeof url === 'string' ? url : url((context as { attempt?: number }).attempt ?? 0);
      return send(`${name} ${operation}`, target, settings, {
        headers: {
          accept: 'application/json',
          ...headers,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      });
    };
    return policy.execute(attempt).catch((error: unknown) => {
      if (error instanceof BrokenCircuitError)
        throw new Upstream(`${name} is left alone for a moment after many failures.`);
      throw error;
    });
  };
}

function createPolicy(attempts: number): IPolicy {
  const worthRetrying = handleWhen(
    (error) =>
      error instanceof TributaryError &&
      error.retryable &&
      !(error instanceof RateLimited && (error.side === 'ours' || error.retryAfterSeconds > longestRetryAfterSeconds)),
  );
  const backoff = new DelegateBackoff<IRetryBackoffContext<unknown>>(({ attempt, result }) => {
    const error = 'error' in result ? result.error : undefined;
    const wanted = error instanceof RateLimited ? error.retryAfterSeconds * 1_000 : 0;
    return wanted + Math.random() * Math.min(longestBackoffMs, firstBackoffMs * 2 ** attempt);
  });
  const retries = retry(worthRetrying, { maxAttempts: attempts - 1, backoff });
  const broken = handleWhen((error) => error instanceof Upstream || error instanceof Deadline);
  return wrap(retries, circuitBreaker(broken, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(10) }));
}

async function send(what: string, url: string, settings: UpstreamSettings, init: RequestInit): Promise<unknown> {
  const { timeoutMs = 10_000, bytesAtMost = bytesAtMostByDefault, reasonIn } = settings;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    text = await readText(what, response, bytesAtMost);
  } catch (error) {
    if (error instanceof TributaryError) throw error;
    // the cause is left out: a message of fetch may carry the address, and the address the key
    const timedOut = (error as Error).name === 'TimeoutError';
    throw timedOut
      ? new Deadline(`${what}: no answer within ${timeoutMs} ms.`)
      : new Upstream(`${what}: the connection failed.`);
  }
  if (!response.ok) throw errorOf(what, response, text, reasonIn?.(text));
  try {
    return JSON.parse(text);
  } catch {
    throw new Upstream(`${what}: the answer is cut short or not JSON.`);
  }
}

async function readText(what: string, response: Response, bytesAtMost: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesAtMost) throw new Upstream(`${what}: the answer is over ${bytesAtMost} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(what: string, { status, headers }: Response, text: string, reason: string | undefined): Error {
  if (status === 429)
    return new RateLimited(`${what}: too many requests.`, 'upstream', retryAfterOf(headers.get('retry-after')));
  if (status === 403 && /capacity limit|QUOTA_EXCEEDED/i.test(text)) {
    return new RateLimited(`${what}: the quota is used up.`, 'upstream', 3_600);
  }
  if (status === 404) return new NotFound(`${what}: it is not there.`);
  if (retryableStatus.has(status)) return new Upstream(`${what}: answered ${status}.`);
  return new InvalidInput(`${what}: refused with ${status}${reason === undefined ? '.' : `: ${reason}`}`);
}

/** Seconds to wait by a Retry-After header: a number, or a date; one second where there is none. */
function retryAfterOf(header: string | null): number {
  if (header === null) return 1;
  if (/^\d+$/.test(header)) return Number(header);
  const until = Date.parse(header);
  return Number.isNaN(until) ? 1 : Math.max(0, (until - Date.now()) / 1_000);
}
