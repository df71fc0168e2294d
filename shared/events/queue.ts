import type { SQSClient } from '@aws-sdk/client-sqs';
import { Unavailable } from '../kernel/errors.ts';

let client: Promise<SQSClient> | undefined;

/** The container's SQS client; loaded when first used, since most reads send nothing. */
export function sqs(): Promise<SQSClient> {
  client ??= import('@aws-sdk/client-sqs').then(({ SQSClient }) => new SQSClient({}));
  return client;
}

/**
 * Sends JSON messages to a queue, ten at a time.
 *
 * @throws Unavailable  SQS took not all of them (retryable; some may have been sent)
 */
export async function sendMessages(queueUrl: string, bodies: readonly unknown[], delaySeconds = 0): Promise<void> {
  const { SendMessageBatchCommand } = await import('@aws-sdk/client-sqs');
  for (let at = 0; at < bodies.length; at += 10) {
    const entries = bodies.slice(at, at + 10).map((body, i) => ({
      Id: String(i),
      MessageBody: JSON.stringify(body),
      ...(delaySeconds > 0 ? { DelaySeconds: delaySeconds } : {}),
    }));
    const { Failed = [] } = await (await sqs())
      .send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }))
      .catch((cause: unknown) => {
        throw new Unavailable('SQS did not take a message.', { cause });
      });
    if (Failed.length > 0)
      throw new Unavailable('SQS did not take a message.', { details: { reason: Failed[0]!.Message } });
  }
}
