import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Functions } from './functions.ts';
import { localRegion } from './queues.ts';

export interface EventSource {
  queueName: string;
  queueUrl: string;
  functionName: string;
  batchSize: number;
  /** How many batches the cloud would handle at once. */
  maxConcurrency: number;
  reportsFailures: boolean;
}

export interface EventSources {
  stop(): Promise<void>;
}

const maxConcurrencyHere = 4;

const concurrencyOf = ({ maxConcurrency }: EventSource) => Math.min(maxConcurrency, maxConcurrencyHere);

/** The containers that a function needs so that none of its queues ever waits for another. */
export function containersFor(sources: readonly EventSource[], functionName: string): number {
  return sources
    .filter((source) => source.functionName === functionName)
    .reduce((sum, source) => sum + concurrencyOf(source), 0);
}

/** Hands the messages of each queue to its function, batch by batch, as an event source mapping does. */
export function startEventSources(
  sources: readonly EventSource[],
  functions: Functions,
  queuesUrl: string,
): EventSources {
  const sqs = new SQSClient({
    endpoint: queuesUrl,
    region: localRegion,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const stopping = new AbortController();
  const pollers = sources.map((source) => poll(source, functions, sqs, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.allSettled(pollers);
      sqs.destroy();
    },
  };
}

async function poll(source: EventSource, functions: Functions, sqs: SQSClient, signal: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>();
  while (!signal.aborted) {
    const receive = new ReceiveMessageCommand({
      QueueUrl: source.queueUrl,
      MaxNumberOfMessages: source.batchSize,
      WaitTimeSeconds: 10,
      MessageSystemAttributeNames: ['All'],
    });
    const { Messages = [] } = await sqs
      .send(receive, { abortSignal: signal })
      .catch(() => ({ Messages: [] as Message[] }));
    if (Messages.length === 0) continue;
    const work = handle(source, functions, sqs, Messages).finally(() => running.delete(work));
    running.add(work);
    if (running.size >= concurrencyOf(source)) await Promise.race(running);
  }
  await Promise.allSettled(running);
}

async function handle(source: EventSource, functions: Functions, sqs: SQSClient, messages: Message[]): Promise<void> {
  const Records = messages.map(({ MessageId, ReceiptHandle, Body, Attributes }) => ({
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes ?? {},
    messageAttributes: {},
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:${localRegion}:000000000000:${source.queueName}`,
    awsRegion: localRegion,
  }));
  let failed = new Set<string | undefined>();
  try {
    const answer = (await functions.invoke(source.functionName, { Records })) as
      | { batchItemFailures?: { itemIdentifier: string }[] }
      | undefined;
    if (source.reportsFailures)
      failed = new Set((answer?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
  } catch {
    // the function's log has the reason; the messages come again after their visibility timeout
    return;
  }
  const done = messages.filter(({ MessageId }) => !failed.has(MessageId));
  if (done.length === 0) return;
  const entries = done.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle: ReceiptHandle! }));
  await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: source.queueUrl, Entries: entries })).catch(() => {});
}
