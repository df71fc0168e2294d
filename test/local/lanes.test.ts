import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, expect, inject, test } from 'vitest';
import { containersFor, type EventSource, startEventSources } from '../../local/event-sources.ts';
import { createFunctions } from '../../local/functions.ts';
import { createQueue, testSqs } from '../support/queues.ts';
import { waitFor } from '../support/wait-for.ts';

const folder = await mkdtemp(join(tmpdir(), 'lanes-'));
const sqs = testSqs();
const logged = new PassThrough();
const lines: string[] = [];
logged.setMaxListeners(0);
logged.setEncoding('utf8').on('data', (chunk: string) => lines.push(...chunk.trim().split('\n')));

// bulk messages never finish; each message is logged when it starts
await writeFile(
  join(folder, 'index.mjs'),
  `export const handler = async ({ Records: [{ body }] }) => {
  console.log(body);
  if (body === 'bulk') await new Promise(() => {});
  return { batchItemFailures: [] };
};`,
);

const [bulk, prompt] = await Promise.all([createQueue('bulk'), createQueue('prompt')]);
const source = (queueUrl: string): EventSource => ({
  queueName: queueUrl.split('/').at(-1)!,
  queueUrl,
  functionName: 'etl',
  batchSize: 1,
  maxConcurrency: 5,
  reportsFailures: true,
});
const sources = [source(bulk.url), source(prompt.url)];
const plan = { name: 'etl', folder, timeoutMs: 60_000, memoryMb: 128, environment: {} };
const functions = createFunctions([plan], {
  environment: {},
  containersFor: (name) => containersFor(sources, name),
  logTo: () => logged,
});
const polling = startEventSources(sources, functions, inject('services').queuesUrl);
afterAll(async () => {
  await functions.stop();
  await Promise.race([polling.stop(), new Promise((resolve) => setTimeout(resolve, 100))]);
  sqs.destroy();
  await rm(folder, { recursive: true });
});

test('prompt messages are handled while bulk messages keep all containers of their lane busy', async () => {
  const send = (QueueUrl: string, MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  for (let i = 0; i < 8; i++) await send(bulk.url, 'bulk');
  const busy = containersFor([source(bulk.url)], 'etl');
  await waitFor(
    'bulk messages to fill their lane',
    async () => lines.filter((line) => line === 'bulk').length === busy,
  );
  for (let i = 0; i < 3; i++) await send(prompt.url, `prompt ${i}`);
  await waitFor('the prompt messages', async () => lines.filter((line) => line.startsWith('prompt')).length === 3);
  expect(lines.filter((line) => line === 'bulk').length).toBe(busy);
});
