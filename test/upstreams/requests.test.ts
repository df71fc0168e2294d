import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { RateLimited } from '../../shared/kernel/errors.ts';
import type { Gate } from '../../shared/upstream/gate.ts';
import { createRequest, type RequestSettings } from '../../shared/upstream/request.ts';
import { openGate } from '../support/upstreams.ts';

let requests: string[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => {
  requests.push(request.url!);
  answer(request, response);
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
});

/** Sends requests as the client of an upstream with these settings. */
function createClient(settings: Partial<RequestSettings> = {}, enter: Gate['enter'] = openGate.enter) {
  const request = createRequest({ name: 'radar', ...settings }, { ...openGate, enter });
  return () => request({ operation: 'look', url: `${baseUrl}/look` });
}
const status = (code: number, headers = {}) => {
  answer = (_, response) => void response.writeHead(code, headers).end('{}');
};
const never = () => {
  answer = () => {};
};

test('an upstream that keeps failing is asked as often as its declaration says', async () => {
  status(503);
  await expect(createClient({ maxAttempts: 2 })()).rejects.toMatchObject({ code: 'upstream' });
  expect(requests).toHaveLength(2);
  await expect(createClient({ maxAttempts: 1 })()).rejects.toMatchObject({ code: 'upstream' });
  expect(requests).toHaveLength(3);
});

test('a redirect is not followed: it could carry the key elsewhere', async () => {
  answer = ({ url }, response) =>
    void (url === '/look' ? response.writeHead(302, { location: '/elsewhere' }).end() : response.end('{}'));
  await expect(createClient({ maxAttempts: 1 })()).rejects.toMatchObject({ code: 'upstream' });
  expect(requests).toEqual(['/look']);
});

test('an exhausted budget of our own is not retried', async () => {
  let asked = 0;
  const look = createClient({}, async () => {
    asked++;
    throw new RateLimited('The request budget for radar is exhausted.', 'ours', 0);
  });
  await expect(look()).rejects.toMatchObject({ code: 'rate_limited', side: 'ours' });
  expect([asked, requests]).toEqual([1, []]);
});

test.each([
  ['seconds', () => '31'],
  ['a date', () => new Date(Date.now() + 31_500).toUTCString()],
])('a wait of more than 30 s, in %s, is left to the caller', async (_, retryAfter) => {
  status(429, { 'retry-after': retryAfter() });
  const error = await createClient()().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RateLimited);
  const { retryAfterSeconds } = error as RateLimited;
  expect([retryAfterSeconds > 29, retryAfterSeconds < 33, requests.length]).toEqual([true, true, 1]);
});

test('a short wait is waited for', async () => {
  answer = (_, response) =>
    void (requests.length === 1 ? response.writeHead(429, { 'retry-after': '0' }) : response).end('{"found":1}');
  expect(await createClient()()).toEqual({ found: 1 });
});

test('an upstream’s own limits replace the defaults', async () => {
  never();
  await expect(createClient({ timeoutMs: 50, maxAttempts: 1 })()).rejects.toMatchObject({
    code: 'deadline',
    message: 'radar look: no response within 50 ms.',
  });
  answer = (_, response) => void response.end(JSON.stringify('x'.repeat(200)));
  await expect(createClient({ maxBytes: 100, maxAttempts: 1 })()).rejects.toMatchObject({
    message: 'radar look: the response is larger than 100 bytes.',
  });
});

test('a response is cut off at the limit, however small its chunks are', async () => {
  answer = (_, response) => {
    response.on('error', () => {});
    for (let i = 0; i < 40; i++) response.write('x'.repeat(65_536));
    response.end();
  };
  await expect(createClient({ maxBytes: 1_000_000, maxAttempts: 1 })()).rejects.toMatchObject({
    message: 'radar look: the response is larger than 1000000 bytes.',
  });
});

test.each([
  ['errors', () => status(503)],
  ['timeouts', never],
])('after ten %s in a row, an upstream is left alone', async (_, break_) => {
  break_();
  const look = createClient({ timeoutMs: 30, maxAttempts: 1 });
  for (let i = 0; i < 10; i++) await look().catch(() => {});
  expect(requests).toHaveLength(10);
  await expect(look()).rejects.toMatchObject({
    code: 'upstream',
    message: 'radar: paused for 10 s after 10 consecutive failures.',
  });
  expect(requests).toHaveLength(10);
});
