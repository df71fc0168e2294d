import { depthOf, moveMessages } from '../../shared/events/queue.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { operatedQueue } from './operated-queue.ts';

/**
 * Moves the messages of a dead-letter queue back to its queue, as many as fit in the request's time. Consumers are
 * idempotent, so superseded messages change nothing.
 *
 * @throws NotFound     there is no such queue
 * @throws Unavailable  SQS failed (retryable; each message is in one of the two queues, or briefly in both)
 */
export const redriveQueue = respond(operations.redriveQueue, async ({ path }, { deadline }) => {
  const { url, deadLetterUrl } = operatedQueue(path.name);
  const moved = await moveMessages(deadLetterUrl, url, deadline);
  const { waiting } = await depthOf(deadLetterUrl);
  return { moved, remaining: waiting };
});
