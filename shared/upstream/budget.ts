import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimited } from '../kernel/errors.ts';

export interface BudgetSettings {
  redis: Redis;
  /** Names it in Redis: `alchemy`, `first-reads`. */
  name: string;
  points: number;
  perSeconds: number;
}

/** So many points in so many seconds, for all containers together. */
export interface Budget {
  /** Takes a point, waiting for the next period if need be. @throws RateLimited  after `maxWaitMs` */
  wait(key: string, maxWaitMs: number): Promise<void>;
  /** Takes a point if there is one. @throws RateLimited  there is none (`side`: ours) */
  take(key: string): Promise<void>;
}

/** While Redis is away each container has this share of the budget for itself. */
const shareWithoutRedis = 0.2;

/** A budget shared through Redis. */
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
  const consume = (key: string) =>
    limiter.consume(key).then(
      () => 0,
      (refusal: unknown) => {
        if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
        throw refusal;
      },
    );
  return {
    async wait(key, maxWaitMs) {
      const until = Date.now() + maxWaitMs;
      for (;;) {
        const waitMs = await consume(key);
        if (waitMs === 0) return;
        if (Date.now() + waitMs > until)
          throw new RateLimited(`The request budget of ${name} is exhausted.`, 'ours', waitMs / 1_000);
        await new Promise((resolve) => setTimeout(resolve, waitMs * (1 + Math.random() * 0.2)));
      }
    },
    async take(key) {
      const waitMs = await consume(key);
      if (waitMs > 0) throw new RateLimited(`The request budget of ${name} is exhausted.`, 'ours', waitMs / 1_000);
    },
  };
}
