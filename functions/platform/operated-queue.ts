import { operatedQueues } from '../../shared/env.ts';
import { NotFound } from '../../shared/kernel/errors.ts';

/** The addresses of a queue and its dead letters, by name. @throws NotFound  there is no such queue */
export function operatedQueue(name: string): { url: string; deadLetterUrl: string } {
  const queue = operatedQueues()[name];
  if (!queue) throw new NotFound(`There is no queue ${name}.`);
  return queue;
}
