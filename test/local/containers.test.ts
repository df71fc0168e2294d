import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { GetQueueAttributesCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, expect, inject, test } from 'vitest';
import { startEventSources } from '../../local/event-sources.ts';
import { createFunctions } from '../../local/functions.ts';
import { createQueue, testSqs } from '../support/queues.ts';
import { waitFor } from '../support/wait-for.ts';

const folder = await mkdtemp(join(tmpdir(), 'containers-'));
const sqs = testSqs();
await writeFile(
  join(folder, 'index.mjs'),
  `let calls = 0;
export const handler = async ({ hangs, throws, Records = [] }) => {
  calls++;
  if (hangs) await new Promise(() => {});
  if (throws) throw new Error('no');
  const failed = Records.filter(({ body }) => body === 'fails');
  return { calls, batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
};`,
);
const functions = createFunctions([{ name: 'mill', folder, timeoutMs: 1_000, memoryMb: 128, environment: {} }], {
  environment: {},
  containersFor: () => 1,
  logTo: () => new PassThrough().resume(),
});
afterAll(async () => {
  await functions.stop();
  sqs.destroy();
  await rm(folder, { recursive: true });
});
const callsSeen = async () => ((await functions.invoke('mill', {})) as { calls: number }).calls;

test('a container is used again, also after an error; one that hung is not', async () => {
  expect([await callsSeen(), await callsSeen()]).toEqual([1, 2]);
  await expect(functions.invoke('mill', { throws: true })).rejects.toThrow('mill: Error: no');
  expect(await callsSeen()).toBe(4);
  await expect(functions.invoke('mill', { hangs: true })).rejects.toThrow('timed out after 1000 ms');
  expect(await callsSeen()).toBe(1);
});

test('of a batch, the messages that the function reports as failed stay in the queue', async () => {
  const { url } = await createQueue('mill');
  const queue = { queueName: 'mill', queueUrl: url, functionName: 'mill', batchSize: 10, maxConcurrency: 1 };
  for (const body of ['a', 'fails', 'b']) await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }));
  const polling = startEventSources([{ ...queue, reportsFailures: true }], functions, inject('services').queuesUrl);
  await waitFor('one message that is left', async () => {
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }));
    const { ApproximateNumberOfMessages: waiting, ApproximateNumberOfMessagesNotVisible: received } = Attributes!;
    return waiting === '0' && received === '1';
  });
  await polling.stop();
});
