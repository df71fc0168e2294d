import { operatedQueues } from '../../shared/env.ts';
import { NotFound } from '../../shared/kernel/errors.ts';

/** The URLs of a queue and its dead-letter queue. @throws NotFound  there is no such queue */
export function operatedQueue(name: string): { url: string; deadLetterUrl: string } {
  const queues = operatedQueues();
  if (!Object.hasOwn(queues, name)) throw new NotFound(`Unknown queue ${name}. List queues with GET /v1/admin/queues.`);
  return queues[name]!;
}
