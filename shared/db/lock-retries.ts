import { setTimeout as wait } from 'node:timers/promises';

/** Between attempts, so that those who waited behind one can go on. */
const pauseMs = 500;

/**
 * Repeats `work`, which sets a short `lock_timeout`, until its locks are granted, and returns its result. So nobody waits
 * behind it for long, whoever else holds the lock.
 *
 * @param giveUpAfterMs  from then on, its error is thrown
 * @throws what `work` throws
 */
export async function withLockRetries<T>(work: () => Promise<T>, giveUpAfterMs = 30_000): Promise<T> {
  const startedAt = Date.now();
  for (;;)
    try {
      return await work();
    } catch (error) {
      if (!isLockTimeout(error) || Date.now() - startedAt > giveUpAfterMs) throw error;
      await wait(pauseMs);
    }
}

/** Whether a lock was not granted within `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code === '55P03' || cause?.code === '55P03';
}
