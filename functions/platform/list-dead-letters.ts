import { peekMessages } from '../../shared/events/queue.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { operatedQueue } from './operated-queue.ts';

/**
 * Up to ten messages of a dead-letter queue. They stay in the queue.
 *
 * @throws NotFound  there is no such queue
 */
export const listDeadLetters = respond(operations.listDeadLetters, async ({ path }) => ({
  deadLetters: await peekMessages(operatedQueue(path.name).deadLetterUrl),
}));
