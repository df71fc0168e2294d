import type * as z from 'zod';
import { upstreamSettings } from '../env.ts';
import type { Upstream } from '../kernel/upstream.ts';
import { expandTemplate } from '../kernel/view.ts';
import { secret } from '../secrets.ts';
import { createGate } from './gate.ts';
import { createRequest, type RequestJson } from './request.ts';

/** What an upstream's client is built from. */
export interface Connection<U extends Upstream> {
  /** Without a trailing slash. */
  baseUrl: string;
  /** The current credentials. @throws Unavailable, Config  see `secret` */
  credentials(): Promise<z.output<U['secret']>>;
  request: RequestJson;
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

async function open<U extends Upstream>(upstream: U): Promise<Connection<U>> {
  const { name, requestsPerSecond, maxWaitMs = defaultMaxWaitMs } = upstream;
  const { url, secretArn } = upstreamSettings(upstream);
  const credentials = () => secret(secretArn, upstream.secret) as Promise<z.output<U['secret']>>;
  return {
    baseUrl: url.includes('{') ? expandTemplate(url, (await credentials()) as Record<string, unknown>) : url,
    credentials,
    request: createRequest(upstream, await createGate(name, requestsPerSecond, maxWaitMs)),
  };
}
