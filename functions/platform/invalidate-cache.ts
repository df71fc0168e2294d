import type { SQSEvent } from 'aws-lambda';
import { ExponentialBackoff, handleType, retry } from 'cockatiel';
import { applyEvents } from '../../shared/events/consumer.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { maxReceives } from '../../shared/kernel/function.ts';
import { type BatchOutcome, queueHandler } from '../../shared/lambda/queue-handler.ts';
import { getCache } from '../../shared/resources.ts';

/** A commit waits 100 ms for Redis. This consumer waits seven seconds, because its failure voids the whole cache. */
const retryPolicy = retry(handleType(Unavailable), {
  maxAttempts: 6,
  backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
});

/**
 * Raises the fences of the entities that events name. Each event arrives through two queues: at once, and again after the
 * maximum replication lag plus the duration of a load, to restore a fence that Redis lost with its hash.
 *
 * If a fence cannot be raised, the whole cache is voided. The last delivery of an event voids the cache before it applies
 * the event, because all earlier attempts were cut off and the event may be about to move to the dead-letter queue.
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
    else await retryPolicy.execute(() => cache.raise(entities, Number(xid), delivery));
  });
}
