/** An upstream that closes an operation for a day is left alone until then, by all containers, and that is said once. */
import { createServer } from 'node:http';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { log } from '../../shared/observability/log.ts';
import { getRedis } from '../../shared/resources.ts';
import { createExpect } from '../../shared/upstream/client.ts';
import { createGate } from '../../shared/upstream/gate.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { createDatabase } from '../support/database.ts';
import { openGate } from '../support/upstreams.ts';

await createDatabase();
let asked: string[] = [];
let answer: (url: string) => { status: number; headers?: Record<string, string>; body?: string };
const server = createServer((request, response) => {
  asked.push(request.url!);
  const { status, headers = {}, body = '{}' } = answer(request.url!);
  response.writeHead(status, headers).end(body);
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const baseUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  vi.restoreAllMocks();
  asked = [];
});

let upstreams = 0;
/** Two containers' clients of one new upstream. */
async function twoContainers() {
  const name = `radar-${process.pid}-${++upstreams}`;
  const requests = await Promise.all(
    [0, 1].map(async () => createRequest({ name }, await createGate(name, 100, 1_000))),
  );
  return {
    name,
    look: (container: number, operation: string) =>
      requests[container]!({ operation, url: `${baseUrl}/${operation}` }).then(
        () => 'answered',
        (error: { code: string; side: string; retryAfterSeconds: number; message: string }) => error,
      ),
  };
}
const day = { status: 429, headers: { 'retry-after': '86400' } };

test('no container asks again before the day is over, and only that operation rests', async () => {
  const said = vi.spyOn(log, 'error');
  answer = (url) => (url === '/look' ? day : { status: 200 });
  const { name, look } = await twoContainers();
  for (const container of [0, 1, 0, 1]) {
    const refused = await look(container, 'look');
    expect(refused).toMatchObject({ code: 'rate_limited', side: 'upstream' });
    expect(Math.round((refused as { retryAfterSeconds: number }).retryAfterSeconds / 60)).toBe(1_440);
  }
  expect(await look(1, 'listen')).toBe('answered');
  expect(asked).toEqual(['/look', '/listen']);
  expect(said.mock.calls).toEqual([
    [
      'upstream closed',
      expect.objectContaining({ upstream: name, operation: 'look', reason: `${name} look: too many requests.` }),
    ],
  ]);
});

test('it opens by itself', async () => {
  answer = () => day;
  const { name, look } = await twoContainers();
  await look(0, 'look');
  const { redis } = await getRedis();
  const stored = JSON.parse((await redis.get(`tributary:closed:${name}:look`))!);
  vi.spyOn(Date, 'now').mockReturnValue(stored.untilMs + 1);
  answer = () => ({ status: 200 });
  expect([await look(0, 'look'), await look(1, 'look')]).toEqual(['answered', 'answered']);
});

test('an operation that closes again within a day of its opening is not news', async () => {
  const said = vi.spyOn(log, 'error');
  answer = () => ({ status: 429, headers: { 'retry-after': '40' } });
  const { name, look } = await twoContainers();
  await look(0, 'look');
  const { redis } = await getRedis();
  const key = `tributary:closed:${name}:look`;
  const { untilMs } = JSON.parse((await redis.get(key))!);
  vi.spyOn(Date, 'now').mockReturnValue(untilMs + 1);
  // as if the time had passed in Redis too
  await redis.pexpire(key, (await redis.pttl(key)) - 41_000);
  await look(1, 'look');
  expect([asked.length, said.mock.calls.length]).toEqual([2, 1]);
});

test('after five unexpected responses in a row an operation rests, and one more closes it again', async () => {
  const closed: string[] = [];
  const expectResponse = createExpect('radar', {
    ...openGate,
    close: async (operation, seconds, reason) => void closed.push(`${operation} ${seconds} ${reason}`),
  });
  const schema = z.object({ found: z.number() });
  const receive = (response: unknown) => {
    try {
      return expectResponse('look', schema, response);
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (let i = 0; i < 4; i++) expect(receive({})).toMatch(/^radar look: unexpected response: found .*expected number/);
  expect([receive({ found: 1, more: true }), closed]).toEqual([{ found: 1 }, []]);
  for (let i = 0; i < 6; i++) receive({ found: null });
  expect(closed).toEqual([expect.stringMatching(/^look 900 radar look: /), expect.stringMatching(/^look 900 /)]);
});

test('an exceeded quota closes the operation too', async () => {
  answer = () => ({ status: 403, body: '{"error":{"message":"Monthly capacity limit exceeded"}}' });
  const { look } = await twoContainers();
  for (const container of [0, 1]) expect(await look(container, 'look')).toMatchObject({ code: 'rate_limited' });
  expect(asked).toHaveLength(1);
});

test('a container that cannot reach Redis still leaves the upstream alone', async () => {
  answer = () => day;
  const { look } = await twoContainers();
  const connection = await getRedis();
  await look(0, 'look');
  vi.spyOn(connection.redis, 'get').mockRejectedValue(new Error('Redis is away'));
  await look(0, 'look');
  expect(asked).toHaveLength(1);
});
