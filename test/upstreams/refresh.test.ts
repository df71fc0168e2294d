import { afterAll, expect, test } from 'vitest';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { neynar as declaredNeynar } from '../../functions/upstreams/neynar.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startNeynar } from '../../local/upstreams/neynar.ts';
import type { Collection } from '../../local/upstreams/world.ts';
import { createCollections } from '../support/collections.ts';
import { drain } from '../support/queues.ts';
import { testCredentials } from '../support/upstreams.ts';

const credentials = testCredentials(declaredAlchemy);
const alchemy = await startAlchemy({ apiKey: credentials.apiKey });
const neynar = await startNeynar({ world: alchemy.world, apiKey: testCredentials(declaredNeynar).apiKey });
const { call, runMessage, jobRow, jobsQueue, database } = await createCollections({
  UPSTREAM_ALCHEMY_URL: alchemy.url,
  UPSTREAM_NEYNAR_URL: neynar.url,
});
afterAll(() => Promise.all([alchemy.stop(), neynar.stop()]));
// the real upstreams' budgets would slow the tests down
declaredAlchemy.requestsPerSecond = 1_000;
declaredNeynar.requestsPerSecond = 1_000;

const [small, shared] = [alchemy.collections[4]!, alchemy.collections[5]!];
const webhook = { webhookUrl: '', signingKey: credentials.webhookSigningKey };

async function refresh({ address }: Collection) {
  const { json } = await call(`/v1/collections/${address}/refresh`, { method: 'POST' });
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  return jobRow(json.jobId);
}

/** Checks that the API returns the owners that tokens have in the world. */
async function expectOwners({ address }: Collection, tokenIds: number[]) {
  for (const tokenId of tokenIds) {
    const { json } = await call(`/v1/collections/${address}/nfts/${tokenId}/owner`);
    const held = [...(alchemy.world.owners.get(`${address}:${tokenId}`) ?? new Map<string, bigint>())].filter(
      ([, amount]) => amount > 0n,
    );
    const found = json.owners.map((one: { address: string; amount: string }) => [one.address, one.amount]);
    expect([tokenId, found.sort()]).toEqual([tokenId, held.map(([wallet, amount]) => [wallet, String(amount)]).sort()]);
  }
}

/** Sends activity as Alchemy does, with a signature of the exact bytes. */
async function deliver(
  transfers: Parameters<typeof alchemy.notify>[1],
  removed = false,
  change = (body: string) => body,
) {
  const { createServer } = await import('node:http');
  const { promise, resolve } = Promise.withResolvers<{ body: string; signature: string }>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    resolve({ body, signature: String(request.headers['x-alchemy-signature']) });
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  await alchemy.notify(
    { ...webhook, webhookUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}` },
    transfers,
    removed,
  );
  const { body, signature } = await promise;
  server.closeAllConnections();
  server.close();
  return call('/v1/webhooks/alchemy', {
    method: 'POST',
    rawBody: change(body),
    headers: { 'x-alchemy-signature': signature },
  });
}

test('the first read of an unknown collection fetches its metadata, and a job fetches the rest', async () => {
  const first = await call(`/v1/collections/${small.address}`);
  expect([first.status, first.json.name, first.json.completeness]).toEqual([200, small.name, 'metadata']);
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  expect((await call(`/v1/collections/${small.address}`)).json.completeness).toBe('complete');
  expect((await call(`/v1/collections/0x${'12'.repeat(20)}`)).status).toBe(404);
});

test('an upstream that does not respond fails the read, without its key in the error', async () => {
  alchemy.faults.set({ kind: 'server-error', count: 1_000 });
  const { status, json, text } = await call(`/v1/collections/${alchemy.collections[0]!.address}`);
  expect([status, json.type]).toEqual([502, 'urn:tributary:problem:upstream']);
  expect(text).not.toContain(credentials.apiKey);
  alchemy.faults.set(undefined);
});

test('an imported collection is fetched on its first read; one that upstream does not know is served as it is', async () => {
  const { commit } = await import('../../shared/changes/commit.ts');
  const { recordTraits } = await import('../../functions/collections/record-nfts.ts');
  const imported = alchemy.collections[3]!;
  const unknown = `0x${'77'.repeat(20)}`;
  await commit((tx) =>
    recordTraits(
      tx,
      [imported.address, unknown].map((collection) => ({ collection, tokenId: '1', type: 'Hat', value: 'Red' })),
    ),
  );
  expect((await call(`/v1/collections/${imported.address}`)).json.name).toBe(imported.name);
  for (let i = 0; i < 2; i++)
    expect(await call(`/v1/collections/${unknown}`)).toMatchObject({ status: 200, json: { name: null } });
  await drain(jobsQueue.url);
});

test('a refresh stores the tokens, traits, and owners that the upstream has', async () => {
  expect(await refresh(shared)).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
  for (const collection of [small, shared]) {
    const { json } = await call(`/v1/collections/${collection.address}/traits`);
    expect(json.tokenCount).toBe(collection.totalSupply);
    const counts = new Map<string, number>();
    for (const { trait_type, value } of collection.traits.flat())
      counts.set(`${trait_type} ${value}`, (counts.get(`${trait_type} ${value}`) ?? 0) + 1);
    const found = json.traits.flatMap(
      ({ type, values }: { type: string; values: { value: string; count: number }[] }) =>
        values.map(({ value, count }) => [`${type} ${value}`, count]),
    );
    expect(new Map(found)).toEqual(counts);
    await expectOwners(collection, [0, 1, 7, 13, 21, 39]);
  }
  const again = await refresh(shared);
  expect(again).toMatchObject({ status: 'succeeded', rows_applied: 0 });
});

test('transfers from the webhook show at once; a second delivery changes nothing', async () => {
  for (let i = 0; i < 20; i++) {
    const transfer = alchemy.transfer();
    const collection = alchemy.collections.find(({ address }) => address === transfer.contract)!;
    const known = [small, shared].includes(collection);
    const first = await deliver([transfer]);
    expect([first.status, first.json]).toEqual([200, { applied: 1, unchanged: 0, reverted: 0, rejected: 0 }]);
    expect((await deliver([transfer])).json).toEqual({ applied: 0, unchanged: 1, reverted: 0, rejected: 0 });
    if (known) await expectOwners(collection, [Number(transfer.tokens[0]!.tokenId)]);
  }
});

test('a reorg reverts the transfers it removed, and a late delivery changes nothing', async () => {
  let transfer = alchemy.transfer();
  while (![small.address, shared.address].includes(transfer.contract)) transfer = alchemy.transfer();
  const collection = [small, shared].find(({ address }) => address === transfer.contract)!;
  const tokenId = Number(transfer.tokens[0]!.tokenId);
  await deliver([transfer]);
  alchemy.reorg();
  expect((await deliver([transfer], true)).json.reverted).toBe(1);
  await expectOwners(collection, [tokenId]);
  await deliver([transfer], true);
  await expectOwners(collection, [tokenId]);
});

test('a webhook with a wrong signature stores nothing', async () => {
  const transfer = alchemy.transfer();
  const before = (await database.pool.query('select count(*)::int as n from collections.transfers')).rows[0].n;
  const changed = [
    (body: string) => body.replace('NFT_ACTIVITY', 'NFT_ACTIVITY '),
    (body: string) => JSON.stringify(JSON.parse(body), null, 1),
  ];
  for (const change of changed) expect((await deliver([transfer], false, change)).status).toBe(401);
  for (const signature of ['', 'zz', 'ab'.repeat(31), 'ab'.repeat(32), 'ab'.repeat(33)]) {
    const { status } = await call('/v1/webhooks/alchemy', {
      method: 'POST',
      body: {},
      headers: { 'x-alchemy-signature': signature },
    });
    expect(status).toBe(401);
  }
  expect((await database.pool.query('select count(*)::int as n from collections.transfers')).rows[0].n).toBe(before);
});

test('a refresh retries failed requests, and rejects only the malformed rows of a page', async () => {
  for (const kind of ['rate-limited', 'server-error', 'truncated'] as const) {
    alchemy.faults.set({ kind, count: 2, retryAfterSeconds: 0 });
    expect([kind, (await refresh(shared)).status]).toEqual([kind, 'succeeded']);
  }
  alchemy.faults.set({ kind: 'garbage', count: 3 });
  expect(await refresh(small)).toMatchObject({ rows_rejected: expect.any(Number) });
  alchemy.faults.set(undefined);
});

test('the first read of an unknown Farcaster user fetches the user and their wallets', async () => {
  const user = alchemy.world.users[3]!;
  const { json } = await call(`/v1/users/${user.fid}`);
  expect([json.username, json.wallets]).toEqual([user.username, [...user.wallets].sort()]);
  expect((await call('/v1/users/999999')).status).toBe(404);
  const held = await call(`/v1/users/${user.fid}/collections`);
  expect(held.status).toBe(200);
});

test('a client over its budget gets 429', async () => {
  const statuses = new Set<number>();
  for (let i = 0; i < 15; i++)
    statuses.add(
      (await call(`/v1/collections/0x${(i + 100).toString(16).padStart(40, '0')}`, { clientIp: '10.9.9.9' })).status,
    );
  expect(statuses).toEqual(new Set([404, 429]));
});
