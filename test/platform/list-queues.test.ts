import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { createQueue, testSqs } from '../support/queues.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const [relay, jobs] = await Promise.all([createQueue('relay'), createQueue('jobs')]);
const { call } = await createTestDomain('platform', { QUEUES: JSON.stringify({ relay: relay.url, jobs: jobs.url }) });
const sqs = testSqs();
const send = (url: string) => sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: '{}' }));

test('lists all queues with their waiting, in-flight, and dead messages', async () => {
  for (const url of [jobs.url, jobs.url, jobs.url, jobs.deadLetterUrl, jobs.deadLetterUrl]) await send(url);
  // one message of each queue is in flight
  for (const url of [jobs.url, jobs.deadLetterUrl])
    await sqs.send(new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 1, VisibilityTimeout: 60 }));
  const { json, headers } = await call('/v1/admin/queues');
  expect(json).toEqual({
    queues: [
      { name: 'relay', waiting: 0, inFlight: 0, dead: 0 },
      { name: 'jobs', waiting: 2, inFlight: 1, dead: 2 },
    ],
  });
  expect(headers['cache-control']).toBe('no-store');
});

test('returns 503 when SQS does not know a queue', async () => {
  const queues = process.env.QUEUES;
  process.env.QUEUES = JSON.stringify({
    relay: relay.url,
    gone: `${relay.url}-gone`,
  });
  const { status, json } = await call('/v1/admin/queues');
  process.env.QUEUES = queues;
  expect([status, json.type]).toEqual([503, 'urn:tributary:problem:unavailable']);
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, '/v1/admin/queues?name=jobs')).toEqual([400, ['query.name']]);
});
