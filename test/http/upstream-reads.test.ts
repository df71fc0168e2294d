import { afterEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { alchemy } from '../../functions/upstreams/alchemy.ts';
import { read } from '../../shared/http/endpoint.ts';
import type { Request } from '../../shared/http/request.ts';
import { RateLimited, Upstream } from '../../shared/kernel/errors.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { getCache } from '../../shared/resources.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase();
afterEach(() => vi.restoreAllMocks());

const { getTrack } = defineOperations({
  getTrack: {
    method: 'GET',
    path: '/v1/tracks/{id}',
    summary: 'One track.',
    pathParameters: z.strictObject({ id: z.string() }),
    response: z.strictObject({ name: z.string() }),
    source: alchemy,
    cache: { entity: 'tracks:{id}', ttl: 60, kind: 'ttlOnly', staleness: 'Up to a minute.', graceSeconds: 600 },
  },
});

/** An endpoint whose upstream is a function of the test. */
function createTracks(fetch: (id: string) => Promise<{ name: string } | undefined>) {
  const asked = vi.fn(fetch);
  const endpoint = read(getTrack, { fetch: ({ path }) => asked(path.id) });
  const get = async (id: string) => {
    const { status, headers, body } = await endpoint.handle({ path: { id }, query: {}, body: undefined }, {
      headers: {},
    } as Request);
    return { status, cache: headers['x-cache'], body: JSON.parse(String(body)) };
  };
  return { asked, get };
}

test('an upstream’s answer is fetched once and cached', async () => {
  const { asked, get } = createTracks(async (id) => ({ name: `Track ${id}` }));
  expect(await get('1')).toEqual({ status: 200, cache: 'miss', body: { name: 'Track 1' } });
  expect(await get('1')).toEqual({ status: 200, cache: 'hit', body: { name: 'Track 1' } });
  expect(asked).toHaveBeenCalledOnce();
});

test('what an upstream does not have is a 404, which is cached', async () => {
  const { asked, get } = createTracks(async () => undefined);
  expect(await get('2')).toMatchObject({ status: 404, cache: 'miss', body: { title: 'Not found' } });
  expect(await get('2')).toMatchObject({ status: 404, cache: 'hit' });
  expect(asked).toHaveBeenCalledOnce();
});

test('an answer is not cached if its entity was cleared during the load', async () => {
  let name = 'before';
  const { get } = createTracks(async () => {
    const found = { name };
    if (name === 'before') {
      name = 'after';
      await (await getCache()).raise(['tracks:3'], 1);
    }
    return found;
  });
  expect((await get('3')).body.name).toBe('before');
  expect(await get('3')).toMatchObject({ cache: 'miss', body: { name: 'after' } });
});

test('a read without a cached answer fails if the upstream fails', async () => {
  const { get } = createTracks(async () => {
    throw new RateLimited('Quota exceeded.', 'upstream', 60);
  });
  await expect(get('4')).rejects.toMatchObject({ code: 'rate_limited' });
});

test.each([
  ['down', new Upstream('No response.')],
  ['out of quota', new RateLimited('Quota exceeded.', 'upstream', 60)],
])('an answer past its TTL is served while its upstream is %s', async (_, error) => {
  const id = error.code;
  let fails = false;
  const { get } = createTracks(async () => {
    if (fails) throw error;
    return { name: 'kept' };
  });
  await get(id);
  const later = Date.now() + 120_000;
  vi.spyOn(Date, 'now').mockImplementation(() => later);
  fails = true;
  expect(await get(id)).toEqual({ status: 200, cache: 'stale', body: { name: 'kept' } });
});
