import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, test } from 'vitest';
import { followJob } from '../../local/follow-job.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { minutesAgo, priceAlert, startReceiver } from '../support/alerts.ts';
import { startTestRuntime } from '../support/runtime.ts';
import { waitFor } from '../support/wait-for.ts';

const runtime = await startTestRuntime();
afterAll(() => runtime.stop());
const { url, adminToken } = runtime;
const receiver = await startReceiver();

async function send(method: string, path: string, token: string, body?: unknown) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: other tests validate the responses
  return { status: response.status, json: (await response.json()) as any };
}

async function importPrice(symbol: string, at: Date, price: number): Promise<void> {
  const s3 = new S3Client({
    endpoint: runtime.s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const jobId = ulid();
  const Key = `portfolio/prices/${jobId}/prices.csv`;
  const Body = `symbol,recorded_at,price\n${symbol},${at.toISOString()},${price}\n`;
  await s3.send(new PutObjectCommand({ Bucket: runtime.importsBucket, Key, Body, Metadata: { set: '{}' } }));
  expect(await followJob(url, jobId, () => {})).toMatchObject({ status: 'succeeded', progress: { applied: 1 } });
}

test('a price in an imported file reaches the receiver of an alert, without anybody asking', async () => {
  const { json: key } = await send('POST', '/v1/admin/keys', adminToken, { name: 'Ada' });
  await importPrice('HUNT', minutesAgo(5), 0.4);
  const created = await send('POST', '/v1/alerts', key.token, priceAlert('hunt', '0.5', receiver.url));
  expect(created).toMatchObject({ status: 200, json: { status: 'active' } });
  await importPrice('HUNT', new Date(), 0.55);
  await waitFor('the webhook', () => receiver.received.length > 0, 60_000);
  const [got] = receiver.received;
  expect(
    new Webhook(created.json.webhookSecret).verify(got!.body, got!.headers as Record<string, string>),
  ).toMatchObject({
    data: { alertId: created.json.id, value: '0.55' },
  });
  const firings = await waitFor('the record of it', async () => {
    const { json } = await send('GET', `/v1/alerts/${created.json.id}/firings`, key.token);
    return json.firings[0]?.delivery.status === 'delivered' ? json.firings : undefined;
  });
  expect(firings).toHaveLength(1);
  expect(receiver.received).toHaveLength(1);
}, 120_000);

test('neither the operator’s token nor no token is a key, and a revoked one is refused at once', async () => {
  expect((await send('GET', '/v1/alerts', adminToken)).status).toBe(401);
  const { json: key } = await send('POST', '/v1/admin/keys', adminToken, { name: 'Bob' });
  expect((await send('GET', '/v1/alerts', key.token)).status).toBe(200);
  expect((await send('GET', '/v1/admin/keys', key.token)).status).toBe(403);
  await send('DELETE', `/v1/admin/keys/${key.id}`, adminToken);
  expect((await send('GET', '/v1/alerts', key.token)).status).toBe(401);
});
