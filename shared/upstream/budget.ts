import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimited } from '../kernel/errors.ts';

export interface BudgetSettings {
  redis: Redis;
  /** Its name in Redis: `alchemy`, `first-reads`. */
  name: string;
  points: number;
  perSeconds: number;
}

/** A number of points per period, shared by all containers. */
export interface Budget {
  /** Takes a point, waiting for the next period if necessary. @throws RateLimited  the wait would exceed `maxWaitMs` */
  wait(key: string, maxWaitMs: number): Promise<void>;
  /** Takes a point without waiting. @throws RateLimited  none is left (`side`: ours) */
  take(key: string): Promise<void>;
}

/** Each container's own share of the budget while Redis is down. */
const shareWithoutRedis = 0.2;

/** Creates a budget that is shared through Redis. */
export function createBudget({ redis, name, points, perSeconds }: BudgetSettings): Budget {
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: `tributary:budget:${name}`,
    points,
    duration: perSeconds,
    insuranceLimiter: new RateLimiterMemory({
      points: Math.max(1, Math.floor(points * shareWithoutRedis)),
      duration: perSeconds,
    }),
  });
  /** Milliseconds to wait; 0 if a point was taken. */
  const consume = (key: string) =>
    limiter.consume(key).then(
      () => 0,
      (rejection: unknown) => {
        if (rejection instanceof RateLimiterRes) return Math.max(1, rejection.msBeforeNext);
        throw rejection;
      },
    );
  return {
    async wait(key, maxWaitMs) {
      const until = Date.now() + maxWaitMs;
      for (;;) {
        const waitMs = await consume(key);
        if (waitMs === 0) return;
        if (Date.now() + waitMs > until)
          throw new RateLimited(`The request budget for ${name} is exhausted.`, 'ours', waitMs / 1_000);
        await new Promise((resolve) => setTimeout(resolve, waitMs * (1 + Math.random() * 0.2)));
      }
    },
    async take(key) {
      const waitMs = await consume(key);
      if (waitMs > 0) throw new RateLimited(`The request budget for ${name} is exhausted.`, 'ours', waitMs / 1_000);
    },
  };
}
