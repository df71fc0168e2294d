import type { SQSClient } from '@aws-sdk/client-sqs';
import { Unavailable } from '../kernel/errors.ts';

let client: Promise<SQSClient> | undefined;

/** The container's SQS client, loaded on first use because most reads send nothing. */
export function sqs(): Promise<SQSClient> {
  client ??= import('@aws-sdk/client-sqs').then(({ SQSClient }) => new SQSClient({}));
  return client;
}

/**
 * Sends JSON messages to a queue, ten per request.
 *
 * @throws Unavailable  SQS did not accept all of them (retryable; some may have been sent)
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
        throw new Unavailable('SQS did not accept the messages.', { cause });
      });
    if (Failed.length > 0)
      throw new Unavailable('SQS did not accept some messages.', { details: { reason: Failed[0]!.Message } });
  }
}

/** The approximate number of messages waiting in a queue, and of those being processed. */
export async function depthOf(queueUrl: string): Promise<{ waiting: number; inFlight: number }> {
  const { GetQueueAttributesCommand } = await import('@aws-sdk/client-sqs');
  const { Attributes = {} } = await (await sqs())
    .send(new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }))
    .catch(unavailable);
  const { ApproximateNumberOfMessages: waiting = '0', ApproximateNumberOfMessagesNotVisible: inFlight = '0' } =
    Attributes;
  return { waiting: Number(waiting), inFlight: Number(inFlight) };
}

/** Up to ten messages from a queue, without removing them. */
export async function peekMessages(
  queueUrl: string,
): Promise<{ messageId: string; body: unknown; receives: number }[]> {
  const { ReceiveMessageCommand } = await import('@aws-sdk/client-sqs');
  const { Messages = [] } = await (await sqs())
    .send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 0,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      }),
    )
    .catch(unavailable);
  return Messages.map(({ MessageId = '', Body = '', Attributes }) => ({
    messageId: MessageId,
    body: parseBody(Body),
    receives: Number(Attributes?.ApproximateReceiveCount ?? 0),
  }));
}

/** Moves messages from one queue to another until it is empty or the deadline passes. Returns how many were moved. */
export async function moveMessages(fromUrl: string, toUrl: string, deadline: Date): Promise<number> {
  const { DeleteMessageBatchCommand, ReceiveMessageCommand, SendMessageBatchCommand } = await import(
    '@aws-sdk/client-sqs'
  );
  let moved = 0;
  while (Date.now() < deadline.getTime()) {
    const { Messages = [] } = await (await sqs())
      .send(new ReceiveMessageCommand({ QueueUrl: fromUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 30 }))
      .catch(unavailable);
    if (Messages.length === 0) break;
    const entries = Messages.map(({ Body }, i) => ({ Id: String(i), MessageBody: Body! }));
    const { Successful = [] } = await (await sqs())
      .send(new SendMessageBatchCommand({ QueueUrl: toUrl, Entries: entries }))
      .catch(unavailable);
    const sent = Successful.map(({ Id }) => ({ Id: Id!, ReceiptHandle: Messages[Number(Id)]!.ReceiptHandle! }));
    if (sent.length === 0) break;
    await (await sqs()).send(new DeleteMessageBatchCommand({ QueueUrl: fromUrl, Entries: sent })).catch(unavailable);
    moved += sent.length;
  }
  return moved;
}

function unavailable(cause: unknown): never {
  throw new Unavailable('SQS did not respond.', { cause });
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
