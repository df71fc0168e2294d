import { afterEach, expect, test } from 'vitest';
import { closePools } from '../../shared/db/pools.ts';
import { forgetEnv } from '../../shared/env.ts';
import { closeResources } from '../../shared/resources.ts';
import { refusal } from '../support/reads.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call } = await createTestDomain('platform');
const nowhere = '127.0.0.1:1';

/** Changes settings, and closes all connections so that the function reconnects with them. */
async function reconnect(settings: Record<string, string | undefined>): Promise<void> {
  await closeResources();
  await closePools();
  Object.assign(process.env, settings);
  forgetEnv();
}
const { DATABASE_READER_HOST, DATABASE_WRITER_HOST, REDIS_URL } = process.env;
afterEach(() => reconnect({ DATABASE_READER_HOST, DATABASE_WRITER_HOST, REDIS_URL }));

test('returns ok when all parts respond', async () => {
  const { json, headers } = await call('/v1/health');
  expect(json).toEqual({ status: 'ok', parts: { writer: 'ok', reader: 'ok', cache: 'ok' } });
  expect(headers['cache-control']).toBe('no-store');
});

test.each([
  ['cache', { REDIS_URL: `redis://${nowhere}` }],
  ['writer', { DATABASE_WRITER_HOST: nowhere }],
  // last, because a failed reader is not used for a while
  ['reader', { DATABASE_READER_HOST: nowhere }],
])('returns degraded when the %s fails', async (part, settings) => {
  await reconnect(settings);
  const { status, json } = await call('/v1/health');
  expect([status, json.status]).toEqual([200, 'degraded']);
  expect(json.parts).toEqual({ writer: 'ok', reader: 'ok', cache: 'ok', [part]: 'failing' });
});

test('rejects unknown parameters', async () => {
  expect(await refusal(call, '/v1/health?part=cache')).toEqual([400, ['query.part']]);
});
