import { env } from '../env.ts';
import { sendMessages } from './queue.ts';

/** Starts the relay immediately for newly committed outbox rows. @throws Unavailable  SQS failed (retryable) */
export async function nudgeRelay(): Promise<void> {
  await sendMessages(env('RELAY_QUEUE_URL'), [{ nudge: true }]);
}
