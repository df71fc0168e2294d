import { operatedQueues } from '../../shared/env.ts';
import { depthOf } from '../../shared/events/queue.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';

/** All queues, with the number of messages in each and in its dead-letter queue. SQS reports approximate counts. */
export const listQueues = respond(operations.listQueues, async () => ({
  queues: await Promise.all(
    Object.entries(operatedQueues()).map(async ([name, { url, deadLetterUrl }]) => {
      const [queue, dead] = await Promise.all([depthOf(url), depthOf(deadLetterUrl)]);
      return { name, waiting: queue.waiting, inFlight: queue.inFlight, dead: dead.waiting + dead.inFlight };
    }),
  ),
}));
