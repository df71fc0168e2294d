import { depthOf, moveMessages } from '../../shared/events/queue.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { operatedQueue } from './operated-queue.ts';

/**
 * Sends the dead letters of a queue through it once more, as many as the request's time allows. Consumers are idempotent:
 * what is superseded changes nothing.
 *
 * @throws NotFound     there is no such queue
 * @throws Unavailable  SQS failed (retryable; each message is in one of the two queues, or for a moment in both)
 */
export const redriveQueue = respond(operations.redriveQueue, async ({ path }, { deadline }) => {
  const { url, deadLetterUrl } = operatedQueue(path.name);
  const moved = await moveMessages(deadLetterUrl, url, deadline);
  const { waiting } = await depthOf(deadLetterUrl);
  return { moved, remaining: waiting };
});
