import type * as z from 'zod';
import { upstreamSettings } from '../env.ts';
import { Upstream as UpstreamError } from '../kernel/errors.ts';
import { needsCredentials, type Upstream } from '../kernel/upstream.ts';
import { expandTemplate } from '../kernel/view.ts';
import { secret } from '../secrets.ts';
import { createGate, type Gate } from './gate.ts';
import { createRequest, type RequestJson } from './request.ts';

/** What an upstream's client is built from. */
export interface Connection<U extends Upstream> {
  /** Without a trailing slash. */
  baseUrl: string;
  /** The current credentials. @throws Unavailable, Config  see `secret` */
  credentials(): Promise<z.output<U['secret']>>;
  request: RequestJson;
  /**
   * A response as its schema parses it. After five unexpected responses in a row, the operation is closed for a quarter of
   * an hour: the upstream has changed, and asking again at once will not help.
   *
   * @throws Upstream  the response is not what the schema expects (retryable)
   */
  expect<T>(operation: string, schema: z.ZodType<T>, response: unknown): T;
}

const defaultMaxWaitMs = 20_000;
const connections = new Map<string, Promise<unknown>>();
const clients = new WeakMap<object, Promise<unknown>>();

/**
 * The client of an upstream, created once per container. All clients of one upstream share its budget, in all containers.
 *
 * @param create  creates the client from its connection; the same function returns the same client
 * @throws Config       this function may not call the upstream, or the secret lacks a key
 * @throws Unavailable  Secrets Manager did not respond (retryable)
 */
export function connectUpstream<U extends Upstream, Client>(
  upstream: U,
  create: (connection: Connection<U>) => Client,
): Promise<Client> {
  return once(clients, create, () => once(connections, upstream.name, () => open(upstream)).then(create));
}

interface Cached<Key> {
  get(key: Key): Promise<unknown> | undefined;
  set(key: Key, value: Promise<unknown>): unknown;
  delete(key: Key): unknown;
}

/** The value of a key, made when first needed, and again after a failure. */
function once<Key, Value>(cached: Cached<Key>, key: Key, make: () => Promise<Value>): Promise<Value> {
  let value = cached.get(key) as Promise<Value> | undefined;
  if (!value) {
    value = make();
    cached.set(key, value);
    value.catch(() => cached.delete(key));
  }
  return value;
}

const maxUnexpected = 5;
const closedForSeconds = 900;

/** Parses responses, and closes an operation whose responses are no longer what they were. */
export function createExpect(upstream: string, gate: Gate): Connection<Upstream>['expect'] {
  const unexpected = new Map<string, number>();
  return (operation, schema, response) => {
    const parsed = schema.safeParse(response);
    if (parsed.success) {
      unexpected.delete(operation);
      return parsed.data;
    }
    const { path, message } = parsed.error.issues[0]!;
    const error = new UpstreamError(`${upstream} ${operation}: unexpected response: ${path.join('.')} ${message}.`);
    const inARow = (unexpected.get(operation) ?? 0) + 1;
    // once it is open again, one more closes it
    unexpected.set(operation, Math.min(inARow, maxUnexpected - 1));
    if (inARow === maxUnexpected) void gate.close(operation, closedForSeconds, error.message);
    throw error;
  };
}

async function open<U extends Upstream>(upstream: U): Promise<Connection<U>> {
  const { name, requestsPerSecond, maxWaitMs = defaultMaxWaitMs } = upstream;
  const { url, secretArn } = upstreamSettings(upstream);
  const gate = await createGate(name, requestsPerSecond, maxWaitMs);
  const credentials = async () =>
    (needsCredentials(upstream) ? await secret(secretArn, upstream.secret) : {}) as z.output<U['secret']>;
  return {
    baseUrl: url.includes('{') ? expandTemplate(url, (await credentials()) as Record<string, unknown>) : url,
    credentials,
    request: createRequest(upstream, gate),
    expect: createExpect(name, gate),
  };
}
