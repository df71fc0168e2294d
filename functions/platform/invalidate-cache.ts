import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { ExponentialBackoff, handleType, retry } from 'cockatiel';
import { createConsumer } from '../../shared/events/consumer.ts';
import { maxReceives } from '../../shared/kernel/declaration.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { getCache } from '../../shared/resources.ts';

/** A commit gives Redis 100 ms; this gives it seven seconds, since failing voids the whole cache. */
const persistently = retry(handleType(Unavailable), {
  maxAttempts: 6,
  backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
});

const consume = createConsumer('invalidate-cache', async ({ type, entities, xid }, queueArn) => {
  const cache = await getCache();
  if (type === 'cache_cleared' && entities.includes('*')) await cache.renewGeneration();
  else
    await persistently.execute(() =>
      cache.raise(entities, Number(xid), queueArn.endsWith('-again') ? 'second' : 'first'),
    );
});

/**
 * Raises the fences of what an event changed. Each event comes through two queues: at once, and again after the longest
 * that a replica may lag and a load may take, so that a fence that Redis lost with its hash comes back.
 *
 * A fence that could not be raised voids the whole cache. So does one whose attempts have all been cut off, before the
 * last of them: it may be about to end in the dead-letter queue.
 */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const isLast = event.Records.some(({ attributes }) => Number(attributes.ApproximateReceiveCount) >= maxReceives);
  if (isLast) await (await getCache()).revokeGeneration();
  const response = await consume(event);
  if (response.batchItemFailures.length > 0) await (await getCache()).revokeGeneration();
  return response;
}
