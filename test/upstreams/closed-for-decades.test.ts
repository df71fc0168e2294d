/** What an upstream says of when to come back is believed for a day at most. */
import { createServer } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { getRedis } from '../../shared/resources.ts';
import { createGate } from '../../shared/upstream/gate.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase();
let retryAfter = '';
const server = createServer((_, response) => {
  response.writeHead(429, { 'retry-after': retryAfter }).end('{}');
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let upstreams = 0;
async function askOnce() {
  const name = `closed-${process.pid}-${++upstreams}`;
  const request = createRequest({ name }, await createGate(name, 100, 1_000));
  const error = await request({ operation: 'look', url }).catch((failed: unknown) => failed as Error);
  const stored = await (await getRedis()).redis.get(`tributary:closed:${name}:look`);
  return { error, closedDays: stored === null ? null : (JSON.parse(stored).untilMs - Date.now()) / 86_400_000 };
}

test('a Retry-After in seconds since 1970, which servers do send, does not close the upstream for half a century', async () => {
  retryAfter = String(Math.floor(Date.now() / 1_000) + 60);
  const { closedDays } = await askOnce();
  expect(closedDays).toBeLessThan(32);
});

test('a Retry-After date of a wrong clock does not close the upstream for decades', async () => {
  retryAfter = new Date('2100-01-01T00:00:00Z').toUTCString();
  const { closedDays } = await askOnce();
  expect(closedDays).toBeLessThan(32);
});

test('a Retry-After beyond what a date can be is still a rate limit', async () => {
  retryAfter = '99999999999999';
  const { error } = await askOnce();
  expect(error).toMatchObject({ code: 'rate_limited' });
});
