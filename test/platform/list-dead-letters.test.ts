import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { createQueue, testSqs } from '../support/queues.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const [relay, jobs, full] = await Promise.all([createQueue('relay'), createQueue('jobs'), createQueue('full')]);
const { call } = await createTestDomain('platform', {
  QUEUES: JSON.stringify({ relay: relay.url, jobs: jobs.url, full: full.url }),
});
const sqs = testSqs();
const send = async (url: string, body: string) =>
  (await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }))).MessageId;
const look = async (queue: string) => (await call(`/v1/admin/queues/${queue}/dead-letters`)).json.deadLetters;
const byBody = (letters: { body: unknown }[]) =>
  [...letters].sort((a, b) => (JSON.stringify(a.body) < JSON.stringify(b.body) ? -1 : 1));

test('returns dead letters with JSON bodies parsed, and does not remove them', async () => {
  await send(jobs.url, 'not dead');
  const text = await send(jobs.deadLetterUrl, 'no JSON');
  const json = await send(jobs.deadLetterUrl, '{"job": "wallets.syncPrices"}');
  for (const receives of [1, 2])
    expect(byBody(await look('jobs'))).toEqual([
      { messageId: text, body: 'no JSON', receives },
      { messageId: json, body: { job: 'wallets.syncPrices' }, receives },
    ]);
});

test('returns at most ten dead letters', async () => {
  for (let i = 0; i < 12; i++) await send(full.deadLetterUrl, String(i));
  expect([(await look('full')).length, await look('relay')]).toEqual([10, []]);
});

test('returns 404 for an unknown queue, and 400 for an invalid name', async () => {
  for (const name of ['none', 'constructor'])
    expect([name, (await call(`/v1/admin/queues/${name}/dead-letters`)).status]).toEqual([name, 404]);
  expect(await refusal(call, '/v1/admin/queues/Jobs/dead-letters')).toEqual([400, ['path.name']]);
  expect(await refusal(call, '/v1/admin/queues/jobs/dead-letters?limit=1')).toEqual([400, ['query.limit']]);
});
