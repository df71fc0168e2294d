import type * as z from 'zod';
import { upstreamSettings } from '../env.ts';
import type { Upstream } from '../kernel/upstream.ts';
import { expandTemplate } from '../kernel/view.ts';
import { getRedis } from '../resources.ts';
import { secret } from '../secrets.ts';
import { createBudget } from './budget.ts';
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

/**
 * The client of an upstream, created once per container. Its requests share one budget across all containers.
 *
 * @param create  creates the client from its connection
 * @throws Config       this function may not call the upstream, or the secret lacks a key
 * @throws Unavailable  Secrets Manager did not respond (retryable)
 */
export function connectUpstream<U extends Upstream, Client>(
  upstream: U,
  create: (connection: Connection<U>) => Client,
): Promise<Client> {
  let connected = connections.get(upstream.name) as Promise<Client> | undefined;
  if (!connected) {
    connected = open(upstream).then(create);
    connections.set(upstream.name, connected);
    connected.catch(() => connections.delete(upstream.name));
  }
  return connected;
}

async function open<U extends Upstream>(upstream: U): Promise<Connection<U>> {
  const { name, requestsPerSecond, maxWaitMs = defaultMaxWaitMs } = upstream;
  const { url, secretArn } = upstreamSettings(upstream);
  const { redis } = await getRedis();
  const budget = createBudget({ redis, name, points: requestsPerSecond, perSeconds: 1 });
  const credentials = () => secret(secretArn, upstream.secret) as Promise<z.output<U['secret']>>;
  return {
    baseUrl: url.includes('{') ? expandTemplate(url, (await credentials()) as Record<string, unknown>) : url,
    credentials,
    request: createRequest(upstream, () => budget.wait('all', maxWaitMs)),
  };
}
