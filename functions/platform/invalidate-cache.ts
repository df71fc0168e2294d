import type { SQSEvent } from 'aws-lambda';
import { ExponentialBackoff, handleType, retry } from 'cockatiel';
import { applyEvents } from '../../shared/events/consumer.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { maxReceives } from '../../shared/kernel/function.ts';
import { type BatchOutcome, queueHandler } from '../../shared/lambda/queue-handler.ts';
import { getCache } from '../../shared/resources.ts';

/** A commit gives Redis 100 ms. This gives it seven seconds, because failing voids the whole cache. */
const persistently = retry(handleType(Unavailable), {
  maxAttempts: 6,
  backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
});

/**
 * Raises the fences of what events changed. Each event comes through two queues: at once, and again after the longest
 * that a replica may lag and a load may take, so that a fence that Redis lost with its hash comes back.
 *
 * A fence that could not be raised voids the whole cache. So does the last delivery of an event before it is applied: its
 * attempts were all cut off, and it may be about to move to the dead-letter queue.
 */
export const handler = queueHandler(async (event) => {
  const isLast = event.Records.some(({ attributes }) => Number(attributes.ApproximateReceiveCount) >= maxReceives);
  if (isLast) await (await getCache()).revokeGeneration();
  const outcomes = await raiseFences(event);
  if (outcomes.some(({ status }) => status === 'rejected')) await (await getCache()).revokeGeneration();
  return outcomes;
});

function raiseFences(event: SQSEvent): Promise<BatchOutcome> {
  return applyEvents('invalidate-cache', event, async ({ type, entities, xid }, queueArn) => {
    const cache = await getCache();
    const delivery = queueArn.endsWith('-again') ? 'second' : 'first';
    if (type === 'cache_cleared' && entities.includes('*')) await cache.renewGeneration();
    else await persistently.execute(() => cache.raise(entities, Number(xid), delivery));
  });
}
