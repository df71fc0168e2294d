import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, expect, test } from 'vitest';
import { followJob } from '../../local/follow-job.ts';
import { standIn } from '../../local/upstreams/alchemy.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { startTestRuntime } from '../support/runtime.ts';
import { waitFor } from '../support/wait-for.ts';

const runtime = await startTestRuntime();
afterAll(() => runtime.stop());
const { url, adminToken } = runtime;
const alchemy = runtime.upstreams.get(standIn);
const signingKey = alchemy.secret.webhookSigningKey;
const collection = alchemy.collections[4]!;
const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${url}${path}`, { headers });
  const text = await response.text();
  return {
    status: response.status,
    cache: response.headers.get('x-cache'),
    headers: response.headers,
    json: text.startsWith('{') ? JSON.parse(text) : text,
  };
};
const operator = { authorization: `Bearer ${adminToken}` };

test('a transfer of a newly fetched collection shows at once', async () => {
  const first = await get(`/v1/collections/${collection.address}`);
  expect([first.status, first.json.name, first.cache]).toEqual([200, collection.name, 'miss']);
  await waitFor(
    'the refresh',
    async () => (await get(`/v1/collections/${collection.address}`)).json.completeness === 'complete',
    60_000,
  );

  const token = alchemy.transfer();
  await alchemy.notify({ webhookUrl: `${url}/v1/webhooks/alchemy`, signingKey }, [token]);
  let transfer = alchemy.transfer();
  while (transfer.contract !== collection.address) transfer = alchemy.transfer();
  const path = `/v1/collections/${collection.address}/nfts/${transfer.tokens[0]!.tokenId}/owner`;
  expect((await get(path)).cache).toBe('miss');
  expect((await get(path)).cache).toBe('hit');
  expect(await alchemy.notify({ webhookUrl: `${url}/v1/webhooks/alchemy`, signingKey }, [transfer])).toBe(200);
  const after = await get(path);
  expect([after.json.owner, after.cache]).toEqual([transfer.to, 'miss']);
});

test('an event can be followed from its commit to its last consumer', async () => {
  const event = await waitFor('an applied event', async () => {
    const { json } = await get('/v1/admin/events/1', operator);
    return json.status === 'applied' ? json : undefined;
  });
  expect(event).toMatchObject({
    id: '1',
    publishedAt: expect.any(String),
    deliveries: [{ consumer: 'invalidate-cache', status: 'applied' }],
  });
  expect(event.correlationId).toEqual(expect.any(String));
});

test('a file dropped into the bucket is imported', async () => {
  const s3 = new S3Client({
    endpoint: runtime.s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const jobId = ulid();
  const key = `collections/holders/${jobId}/list.csv`;
  const body = `snapshot_at,collection,wallet_address,token_count\n2026-01-01T00:00:00Z,tea-club,0x${'ab'.repeat(20)},3\n`;
  await s3.send(new PutObjectCommand({ Bucket: runtime.importsBucket, Key: key, Body: body, Metadata: { set: '{}' } }));
  expect(await followJob(url, jobId, () => {})).toMatchObject({
    status: 'succeeded',
    progress: { read: 1, applied: 1 },
  });
  expect((await get('/v1/collections/tea-club/holders')).json).toMatchObject({ holderCount: 1, tokenCount: 3 });
});

test('S3 calls for an unsupported subresource get 501 instead of overwriting the object', async () => {
  const response = await fetch(`${runtime.s3Url}/${runtime.importsBucket}/some/key?tagging`, {
    method: 'PUT',
    body: '<Tagging/>',
  });
  expect(response.status).toBe(501);
});

test('the operator’s routes require the token, and unknown routes return 404', async () => {
  expect((await get('/v1/admin/queues')).status).toBe(401);
  expect((await get('/v1/admin/queues', { authorization: 'Bearer wrong' })).status).toBe(403);
  expect((await get('/v1/admin/queues', operator)).json.queues.map((one: { name: string }) => one.name)).toEqual([
    'collections-prompt',
    'collections-bulk',
    'wallets-prompt',
    'wallets-bulk',
    'portfolio-prompt',
    'portfolio-bulk',
    'platform-bulk',
    'relay-outbox',
    'invalidate-cache',
    'invalidate-cache-again',
  ]);
  expect((await get('/v2')).status).toBe(404);
});

test('runs the functions and routes of the template', () => {
  const { plan } = runtime;
  expect(runtime.functions.names.sort()).toEqual(plan.functions.map(({ name }) => name).sort());
  expect(plan.routes.length).toBeGreaterThan(20);
});

test('npm start rejects unknown and invalid options in one line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cli-'));
  await writeFile(join(folder, 'x.csv'), '');
  const run = (...arguments_: string[]) =>
    promisify(execFile)('node', arguments_).then(
      () => undefined,
      (error: { code: number; stderr: string }) => error,
    );
  const unknown = await run('local/run.ts', '--prot', '1');
  expect([unknown?.code, unknown?.stderr.trim().split('\n').length]).toEqual([1, 1]);
  const port = await run('local/run.ts', '--port', 'many');
  expect([port?.code, port?.stderr]).toEqual([1, '--port takes a number from 0 to 65535, not many.\n']);
});
