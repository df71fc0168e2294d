import { env } from '../env.ts';
import { sendMessages } from './queue.ts';

/** Makes the relay run at once, for the outbox rows that were just committed. @throws Unavailable  SQS failed */
export async function nudgeRelay(): Promise<void> {
  await sendMessages(env('RELAY_QUEUE_URL'), [{ nudge: true }]);
}
