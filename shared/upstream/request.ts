/** Requests to upstreams: retried if that is safe, and bounded in time and size. Errors never contain a key. */
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
import {
  Deadline,
  InvalidInput,
  NotFound,
  RateLimited,
  ResponseTooLarge,
  TributaryError,
  Upstream,
} from '../kernel/errors.ts';
import type { Upstream as UpstreamDeclaration } from '../kernel/upstream.ts';
import type { Gate } from './gate.ts';

export interface UpstreamRequest {
  /** Its name in error messages, without a key: `getContractMetadata`. */
  operation: string;
  /** Or a function of the attempt, counted from 0, if a retry needs a different URL. */
  url: string | ((attempt: number) => string);
  headers?: Record<string, string>;
  /** Sent as JSON in a POST. The call must be safe to repeat. */
  body?: unknown;
}

/** How requests to an upstream are retried and bounded. */
export type RequestSettings = Pick<UpstreamDeclaration, 'name' | 'timeoutMs' | 'maxAttempts' | 'maxBytes' | 'reasonIn'>;

export type RequestJson = (request: UpstreamRequest) => Promise<unknown>;

const defaults = { timeoutMs: 10_000, maxAttempts: 3, maxBytes: 20 * 1024 * 1024 };
const maxRetryAfterSeconds = 30;
const maxWaitSeconds = 86_400;
const initialBackoffMs = 200;
const maxBackoffMs = 5_000;
const breakAfterFailures = 10;
const breakForMs = 10_000;
const retryableStatus = new Set([408, 425, 500, 502, 503, 504]);

/**
 * Sends requests to one upstream.
 *
 * @param gate  entered before each attempt, and closed by a long Retry-After or an exceeded quota
 * @throws NotFound      404
 * @throws InvalidInput  the upstream rejected the request
 * @throws RateLimited   429 with a wait of more than 30 s, or an exceeded quota; neither is retried here, and the operation
 *                       is closed for that long (retryable)
 * @throws Upstream      5xx, a lost connection, or a truncated response, after the last attempt (retryable)
 * @throws ResponseTooLarge  the response exceeds `maxBytes`
 * @throws Deadline      no response within the timeout, after the last attempt (retryable)
 */
export function createRequest(upstream: RequestSettings, gate: Gate): RequestJson {
  const { name, maxAttempts = defaults.maxAttempts } = upstream;
  const policy = createPolicy(maxAttempts);
  return async ({ operation, url, headers, body }) => {
    const attempt = async (context: object) => {
      await gate.enter(operation);
      const target = typeof url === 'string' ? url : url((context as { attempt?: number }).attempt ?? 0);
      return send(`${name} ${operation}`, target, upstream, {
        headers: {
          accept: 'application/json',
          ...headers,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      }).catch(async (error: unknown) => {
        if (isLongWait(error)) await gate.close(operation, error.retryAfterSeconds, error.message);
        throw error;
      });
    };
    return policy.execute(attempt).catch((error: unknown) => {
      if (error instanceof BrokenCircuitError)
        throw new Upstream(
          `${name}: paused for ${breakForMs / 1_000} s after ${breakAfterFailures} consecutive failures.`,
        );
      throw error;
    });
  };
}

const isLongWait = (error: unknown): error is RateLimited =>
  error instanceof RateLimited && error.retryAfterSeconds > maxRetryAfterSeconds;

function createPolicy(maxAttempts: number): IPolicy {
  const isRetryable = handleWhen(
    (error) =>
      error instanceof TributaryError &&
      error.retryable &&
      !(error instanceof RateLimited && error.side === 'ours') &&
      !isLongWait(error),
  );
  const backoff = new DelegateBackoff<IRetryBackoffContext<unknown>>(({ attempt, result }) => {
    const error = 'error' in result ? result.error : undefined;
    const retryAfterMs = error instanceof RateLimited ? error.retryAfterSeconds * 1_000 : 0;
    return retryAfterMs + Math.random() * Math.min(maxBackoffMs, initialBackoffMs * 2 ** attempt);
  });
  const retries = retry(isRetryable, { maxAttempts: maxAttempts - 1, backoff });
  const isFailure = handleWhen((error) => error instanceof Upstream || error instanceof Deadline);
  return wrap(
    retries,
    circuitBreaker(isFailure, { halfOpenAfter: breakForMs, breaker: new ConsecutiveBreaker(breakAfterFailures) }),
  );
}

async function send(what: string, url: string, upstream: RequestSettings, init: RequestInit): Promise<unknown> {
  const { timeoutMs, maxBytes, reasonIn } = { ...defaults, ...upstream };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    text = await readText(what, response, maxBytes);
  } catch (error) {
    if (error instanceof TributaryError) throw error;
    // no cause: a failed fetch's message may contain the URL, which may contain the key
    const timedOut = (error as Error).name === 'TimeoutError';
    throw timedOut
      ? new Deadline(`${what}: no response within ${timeoutMs} ms.`)
      : new Upstream(`${what}: the connection failed.`);
  }
  if (!response.ok) throw errorOf(what, response, text, reasonIn?.(text));
  try {
    return parseJson(text);
  } catch {
    throw new Upstream(`${what}: the response is truncated or not JSON.`);
  }
}

/** Integers that a double does not hold are kept as their digits. */
function parseJson(text: string): unknown {
  // looking at each value costs several times the parsing, so only where there is one
  if (!/[:[,]\s*-?\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value: unknown, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
    return /^-?\d+$/.test(context?.source ?? '') ? context!.source : value;
  });
}

async function readText(what: string, response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new ResponseTooLarge(`${what}: the response is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(what: string, { status, headers }: Response, text: string, reason: string | undefined): Error {
  if (status === 429)
    return new RateLimited(`${what}: too many requests.`, 'upstream', retryAfterOf(headers.get('retry-after')));
  if (status === 403 && /capacity limit|QUOTA_EXCEEDED/i.test(text)) {
    return new RateLimited(`${what}: quota exceeded.`, 'upstream', 3_600);
  }
  if (status === 404) return new NotFound(`${what}: not found.`);
  if (retryableStatus.has(status)) return new Upstream(`${what}: responded with ${status}.`);
  return new InvalidInput(`${what}: rejected with ${status}${reason === undefined ? '.' : `: ${reason}`}`);
}

/**
 * Seconds to wait according to a Retry-After header, which is a number or a date; 1 if there is none. At most a day: some
 * servers send a time instead of a duration, and a wrong date must not close an upstream for years.
 */
function retryAfterOf(header: string | null): number {
  if (header === null) return 1;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? 1 : Math.min(maxWaitSeconds, Math.max(0, seconds));
}
