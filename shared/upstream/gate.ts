import { RateLimited } from '../kernel/errors.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import { getRedis } from '../resources.ts';
import { createBudget } from './budget.ts';

/** Lets requests to an upstream pass: within its budget, and not to an operation that it has closed. */
export interface Gate {
  /**
   * Waits for a point of the budget.
   *
   * @throws RateLimited  the wait would be too long (`side`: ours), or the operation is closed (`side`: upstream)
   */
  enter(operation: string): Promise<void>;
  /** Closes an operation, in all containers. It opens by itself. Said once, not for every request that is then refused. */
  close(operation: string, seconds: number, reason: string): Promise<void>;
}

interface Closed {
  untilMs: number;
  reason: string;
}

/** For this long after it opens, an operation that closes again counts as still closed: nobody needs to hear it twice. */
const quietSeconds = 86_400;

/** Creates the gate to an upstream. It is shared through Redis; while Redis is down, each container has its own. */
export async function createGate(upstream: string, requestsPerSecond: number, maxWaitMs: number): Promise<Gate> {
  const { redis, attempt } = await getRedis();
  const budget = createBudget({ redis, name: upstream, points: requestsPerSecond, perSeconds: 1 });
  const closed = new Map<string, Closed>();
  const keyOf = (operation: string) => `tributary:closed:${upstream}:${operation}`;

  async function closureOf(operation: string): Promise<Closed | undefined> {
    const known = closed.get(operation);
    if (known && known.untilMs > Date.now()) return known;
    const stored = await attempt((client) => client.get(keyOf(operation))).catch(() => null);
    if (stored === null) return undefined;
    const closure = JSON.parse(stored) as Closed;
    closed.set(operation, closure);
    return closure.untilMs > Date.now() ? closure : undefined;
  }

  return {
    async enter(operation) {
      const closure = await closureOf(operation);
      if (closure)
        throw new RateLimited(closure.reason, 'upstream', Math.max(1, (closure.untilMs - Date.now()) / 1_000));
      await budget.wait('all', maxWaitMs);
    },
    async close(operation, seconds, reason) {
      const until = new Date(Date.now() + seconds * 1_000);
      const closure: Closed = { untilMs: until.getTime(), reason: `${reason} Closed until ${until.toISOString()}.` };
      closed.set(operation, closure);
      const ttlMs = Math.ceil((seconds + quietSeconds) * 1_000);
      const before = await attempt((client) =>
        client.set(keyOf(operation), JSON.stringify(closure), 'PX', ttlMs, 'GET'),
      ).catch(() => null);
      if (before !== null) return;
      log.error('upstream closed', { upstream, operation, until: until.toISOString(), reason });
      count('UpstreamClosed', 'Count', 1, { upstream });
    },
  };
}
