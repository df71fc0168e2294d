import sql from 'sql-template-tag';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { readProvably } from '../../shared/db/read.ts';
import { read } from '../../shared/http/endpoint.ts';
import type { Request } from '../../shared/http/request.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const { pool } = await createDatabase();
await pool.query('create table public.tracks (id text primary key)');
await waitFor('the table on the replica', () =>
  readProvably(sql`select from public.tracks`, { host: 'replica' }).then(
    () => true,
    () => false,
  ),
);

const { getTrack } = defineOperations({
  getTrack: {
    method: 'GET',
    path: '/v1/tracks/{id}',
    summary: 'One track.',
    pathParameters: z.strictObject({ id: z.string() }),
    response: z.strictObject({ id: z.string() }),
    cache: { entity: 'tracks:{id}', ttl: 60 },
  },
});

/** Reads a track through a replica that has none of them yet. `fetched` lists those requested from the upstream. */
function createTracks(existsUpstream: boolean) {
  const fetched: string[] = [];
  const endpoint = read(getTrack, {
    statement: ({ path }) => sql`
      select jsonb_build_object('id', t.id)::text as body from public.tracks t
      where t.id = ${path.id} and not pg_is_in_recovery()`,
    async fetchMissing({ path }) {
      fetched.push(path.id);
      if (existsUpstream) await pool.query('insert into public.tracks values ($1)', [path.id]);
      return existsUpstream;
    },
  });
  const get = async (id: string) => {
    const request = { headers: {} } as Request;
    const { status, body } = await endpoint.handle({ path: { id }, query: {}, body: undefined }, request);
    return { status, body: JSON.parse(String(body)) };
  };
  return { fetched, get };
}

test('what a replica does not have yet is read from the primary, not fetched from the upstream', async () => {
  await pool.query(`insert into public.tracks values ('stored')`);
  const { fetched, get } = createTracks(true);
  expect(await get('stored')).toEqual({ status: 200, body: { id: 'stored' } });
  expect(fetched).toEqual([]);
});

test('what was just fetched is read from the primary', async () => {
  const { fetched, get } = createTracks(true);
  expect(await get('new')).toEqual({ status: 200, body: { id: 'new' } });
  expect(fetched).toEqual(['new']);
});

test('what neither the primary nor the upstream has is a 404', async () => {
  const { fetched, get } = createTracks(false);
  expect((await get('unknown')).status).toBe(404);
  expect(fetched).toEqual(['unknown']);
});
