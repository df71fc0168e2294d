import { expect, test } from 'vitest';
import type { Load } from '../../shared/cache/view.ts';
import { forgetEnv } from '../../shared/env.ts';
import { closeResources, getCache } from '../../shared/resources.ts';
import { seenUpTo, viewOf } from '../support/cache.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const ensureGeneration = async (cluster = 'test') => {
  const { rows } = await pool.query('select * from platform.take_up_cache_generation($1)', [cluster]);
  return rows[0] as { generation: string; previous: string[]; since: string };
};
const revoke = () => pool.query('select platform.revoke_cache_generation()');

test('a generation lasts until it is revoked, and is then replaced once', async () => {
  const first = await ensureGeneration();
  expect((await ensureGeneration()).generation).toBe(first.generation);
  await revoke();
  await revoke();
  const second = await ensureGeneration();
  expect(second.generation).not.toBe(first.generation);
  expect(second.previous).toEqual([first.generation, ...first.previous].slice(0, 4));
  expect(Number(second.since)).toBeGreaterThan(Number(first.since));
});

test('reading the current generation does not begin a new one, even if it is void', async () => {
  const { generation } = await ensureGeneration();
  await revoke();
  const { rows } = await pool.query('select * from platform.current_cache_generation()');
  expect(rows[0].generation).toBe(generation);
  expect((await ensureGeneration()).generation).not.toBe(generation);
});

test('fences are raised in the generations of the last ten minutes and in no older ones', async () => {
  for (let i = 0; i < 6; i++) {
    await revoke();
    await ensureGeneration();
  }
  expect((await ensureGeneration()).previous).toHaveLength(4);
  await pool.query(`update platform.cache_generation set began_at = clock_timestamp() - interval '590 seconds'`);
  expect((await ensureGeneration()).previous).toHaveLength(4);
  await pool.query(`update platform.cache_generation set began_at = began_at - interval '10 seconds'`);
  expect((await ensureGeneration()).previous).toEqual([]);
  const { generation } = await ensureGeneration();
  await revoke();
  expect((await ensureGeneration()).previous).toEqual([generation]);
});

test('a restored copy of the cluster serves nothing that was cached for the original', async () => {
  const view = viewOf('things:1');
  const never: Load = async () => {
    throw new Error('loaded');
  };
  await (await getCache()).read(view, seenUpTo(1e9, 'from the original'));
  expect((await (await getCache()).read(view, never)).outcome).toBe('hit');
  // the copy has the same rows, including the original's generation, but a different identity
  process.env.DATABASE_CLUSTER_ID = 'restored';
  forgetEnv();
  await closeResources();
  expect((await (await getCache()).read(view, seenUpTo(1e9, 'from the copy'))).entry.body.toString()).toBe(
    'from the copy',
  );
});
