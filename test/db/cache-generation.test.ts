import { expect, test } from 'vitest';
import type { Load } from '../../shared/cache/view.ts';
import { forgetEnv } from '../../shared/env.ts';
import { closeResources, getCache } from '../../shared/resources.ts';
import { seenUpTo, viewOf } from '../support/cache.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const take = async (cluster = 'test') => {
  const { rows } = await pool.query('select * from platform.take_up_cache_generation($1)', [cluster]);
  return rows[0] as { generation: string; previous: string[]; since: string };
};
const revoke = () => pool.query('select platform.revoke_cache_generation()');

test('a generation stays until it is revoked, and is then replaced once', async () => {
  const first = await take();
  expect((await take()).generation).toBe(first.generation);
  await revoke();
  await revoke();
  const second = await take();
  expect(second.generation).not.toBe(first.generation);
  expect(second.previous).toEqual([first.generation, ...first.previous].slice(0, 4));
  expect(Number(second.since)).toBeGreaterThan(Number(first.since));
});

test('looking at a generation does not begin a new one, even if it is void', async () => {
  const { generation } = await take();
  await revoke();
  const { rows } = await pool.query('select * from platform.current_cache_generation()');
  expect(rows[0].generation).toBe(generation);
  expect((await take()).generation).not.toBe(generation);
});

test('fences are raised in the generations of the last ten minutes, and in no older ones', async () => {
  for (let i = 0; i < 6; i++) {
    await revoke();
    await take();
  }
  expect((await take()).previous).toHaveLength(4);
  await pool.query(`update platform.cache_generation set began_at = clock_timestamp() - interval '590 seconds'`);
  expect((await take()).previous).toHaveLength(4);
  await pool.query(`update platform.cache_generation set began_at = began_at - interval '10 seconds'`);
  expect((await take()).previous).toEqual([]);
  const { generation } = await take();
  await revoke();
  expect((await take()).previous).toEqual([generation]);
});

test('a restored copy of the cluster serves nothing that was cached for the original', async () => {
  const view = viewOf('things:1');
  const never: Load = async () => {
    throw new Error('loaded');
  };
  await (await getCache()).read(view, seenUpTo(1e9, 'of the original'));
  expect((await (await getCache()).read(view, never)).outcome).toBe('hit');
  // the copy has the same rows, the original's generation among them; its identity is another
  process.env.DATABASE_CLUSTER_ID = 'restored';
  forgetEnv();
  await closeResources();
  expect((await (await getCache()).read(view, seenUpTo(1e9, 'of the copy'))).entry.body.toString()).toBe('of the copy');
});
