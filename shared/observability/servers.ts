/** What served an answer: the header `x-served-by`. */
import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * `reader`, `analytics`, and `writer` are hosts of the database; `upstream` is an upstream's API, `archive` files of
 * archived rows, and `cache` an answer that was loaded before, or for another request at the same time.
 */
export type Server = 'cache' | 'reader' | 'analytics' | 'writer' | 'upstream' | 'archive';

const current = new AsyncLocalStorage<Set<Server>>();

/** The result of `work`, and what served it, in the order of first use. */
export async function withServers<T>(work: () => Promise<T>): Promise<{ result: T; servers: Server[] }> {
  const servers = new Set<Server>();
  const result = await current.run(servers, work);
  return { result, servers: [...servers] };
}

/** Notes that a server was read for the current work. */
export function noteServer(server: Server): void {
  current.getStore()?.add(server);
}
