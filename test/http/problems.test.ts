import { afterEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { createApi } from '../../shared/http/api.ts';
import { respond } from '../../shared/http/endpoint.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { Config, Integrity, RateLimited } from '../../shared/kernel/errors.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase();
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const operations = defineOperations({
  bake: { method: 'POST', path: '/v1/bread', summary: 'Bakes.', body: z.unknown(), response: z.unknown() },
});
const bakery = {
  name: 'bakery',
  summary: '',
  entities: {},
  operations,
  events: {},
  jobs: {},
  datasets: {},
  tables: {},
} satisfies Domain;

interface Baked {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

/** Sends a request to an API whose one operation does this work. */
function bake(work: () => Promise<unknown>, { headers = {}, body = '{}', isBase64Encoded = false } = {}) {
  const api = createApi(bakery, { bake: respond(operations.bake, work) });
  const event = {
    routeKey: 'POST /v1/bread',
    rawQueryString: '',
    headers,
    body,
    isBase64Encoded,
    requestContext: { http: { sourceIp: '127.0.0.1' } },
  };
  return api(event as never, { getRemainingTimeInMillis: () => 30_000 } as never) as unknown as Promise<Baked>;
}
const bread = async () => ({ bread: 1 });
const failure = (error: Error) => async () => {
  throw error;
};

test.each([
  ['a bug', new TypeError('undefined is not a loaf')],
  ['a missing setting', new Config('The setting OVEN_SECRET is not set.')],
  ['broken data', new Integrity('Loaf 7 has two crusts.')],
])('%s is a 500 that reveals nothing', async (_, error) => {
  const { statusCode, headers, body } = await bake(failure(error));
  expect([statusCode, JSON.parse(body)]).toEqual([
    500,
    {
      type: 'urn:tributary:problem:internal',
      title: 'Internal error',
      status: 500,
      detail: 'The request failed because of a bug in the service. Report the correlation id.',
      correlationId: headers['x-correlation-id'],
    },
  ]);
});

test.each([
  ['ours', 429],
  ['upstream', 503],
] as const)('an exceeded limit, %s, is a %d that says when to try again', async (side, status) => {
  const { statusCode, headers, body } = await bake(failure(new RateLimited('Too many.', side, 2.5)));
  expect([statusCode, JSON.parse(body).status, headers['retry-after']]).toEqual([status, status, '3']);
});

test('a client’s correlation id comes back, however its header is written', async () => {
  for (const name of ['x-correlation-id', 'X-Correlation-Id', 'X-CORRELATION-ID']) {
    const { headers } = await bake(bread, { headers: { [name]: 'my-request_1' } });
    expect([name, headers['x-correlation-id']]).toEqual([name, 'my-request_1']);
  }
});

test.each(['short', 'with space', 'x'.repeat(65), 'line\nbreak', '<script>alert(1)</script>'])(
  'a malformed correlation id (%j) is replaced',
  async (id) => {
    const { headers } = await bake(bread, { headers: { 'x-correlation-id': id } });
    expect(headers['x-correlation-id']).toMatch(/^[0-9A-Z]{26}$/);
  },
);

test('the size of a body is that of its decoded bytes', async () => {
  const encoded = (bytes: number) => ({
    body: Buffer.from(`"${'x'.repeat(bytes - 2)}"`).toString('base64'),
    isBase64Encoded: true,
  });
  // its base64 form is longer than the limit
  expect((await bake(bread, encoded(1_048_576))).statusCode).toBe(200);
  expect((await bake(bread, encoded(1_048_577))).statusCode).toBe(413);
  const accented = `"${'é'.repeat(524_288)}"`;
  expect((await bake(bread, { body: accented })).statusCode).toBe(413);
});

test('the answer to a write may not be stored', async () => {
  expect((await bake(bread)).headers['cache-control']).toBe('no-store');
  expect((await bake(failure(new Error('failed')))).headers['cache-control']).toBe('no-store');
});

test('the latency of each request is recorded by operation and class of status', async () => {
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  await bake(bread);
  await bake(failure(new RateLimited('Too many.', 'ours', 1)));
  const lines = written.filter((line) => line.includes('CloudWatchMetrics')).map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { operation: 'bake', status: '2xx', RequestLatency: expect.any(Number) },
    { operation: 'bake', status: '4xx', RequestLatency: expect.any(Number) },
  ]);
});
