import { peekMessages } from '../../shared/events/queue.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { operatedQueue } from './operated-queue.ts';

/**
 * A look at up to ten messages that a consumer has given up on. They stay where they are.
 *
 * @throws NotFound  there is no such queue
 */
export const listDeadLetters = respond(operations.listDeadLetters, async ({ path }) => ({
  deadLetters: await peekMessages(operatedQueue(path.name).deadLetterUrl),
}));
