import type { Context } from 'aws-lambda';
import { expect, test } from 'vitest';
import { handler } from '../../functions/platform/create-partitions.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const { pool } = await createDatabase();
const run = () => handler({}, { getRemainingTimeInMillis: () => 300_000 } as Context);

/** Attaches the outbox's partition of the day `daysAgo`. Returns its name. */
async function createOld(daysAgo: number): Promise<string> {
  const { rows } = await pool.query<{ name: string }>(
    `select 'platform.outbox_' || to_char(current_date - $1::int, 'YYYYMMDD') as name`,
    [daysAgo],
  );
  await pool.query(`do $$ begin
    execute format('create table ${rows[0]!.name} partition of platform.outbox for values from (%L) to (%L)',
      current_date - ${daysAgo}, current_date - ${daysAgo} + 1);
  end $$`);
  return rows[0]!.name;
}

async function exists(name: string): Promise<boolean> {
  const { rows } = await pool.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [name]);
  return rows[0]!.exists;
}

test('events can be written on each of the next 14 days', async () => {
  const { rows: migrated } = await pool.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'platform.outbox'::regclass`,
  );
  await pool.query(`drop table ${migrated.map(({ name }) => name).join(', ')}`);
  await run();
  const { rows } = await pool.query(`
    insert into platform.outbox (type, entities, created_at)
    select 'test', '{a:b}', current_date + n + interval '23:59:59' from generate_series(0, 14) as n
    returning tableoid::regclass`);
  expect(new Set(rows.map(({ tableoid }) => tableoid)).size).toBe(15);
});

test('events are dropped two weeks after their day, but none that is not published', async () => {
  const [published, unpublished, recent] = [await createOld(16), await createOld(15), await createOld(14)];
  await pool.query(`
    insert into platform.outbox (type, entities, created_at, published_at) values
      ('test', '{a:old}', current_date - 16, now()),
      ('test', '{a:unpublished}', current_date - 15, null),
      ('test', '{a:recent}', current_date - 14, now())`);
  await run();
  expect(await Promise.all([published, unpublished, recent].map(exists))).toEqual([false, true, true]);
  const { rows } = await pool.query(
    `select entities[1] as entity from platform.outbox where created_at < current_date order by created_at`,
  );
  expect(rows.map(({ entity }) => entity)).toEqual(['a:unpublished', 'a:recent']);
});

test('an old event that is committed while its partition is detached can still be published', async () => {
  const old = await createOld(30);
  const late = await pool.connect();
  try {
    await late.query('begin');
    await late.query(
      `insert into platform.outbox (type, entities, created_at) values ('test', '{a:late}', current_date - 30)`,
    );
    const running = run();
    await waitFor('the detach', async () => {
      const { rowCount } = await pool.query(
        'select from pg_inherits where inhrelid = to_regclass($1) and inhdetachpending',
        [old],
      );
      return rowCount === 1;
    });
    await late.query('commit');
    await running;
  } finally {
    late.release(true);
  }
  const published = await pool.query(
    `update platform.outbox set published_at = now() where entities = '{a:late}' and published_at is null`,
  );
  expect(published.rowCount).toBe(1);
  await run();
  expect(await exists(old)).toBe(false);
});

test('what keeps partitions from being created keeps none from being dropped', async () => {
  const old = await createOld(20);
  const { rows } = await pool.query<{ today: string }>(`
    select tableoid::regclass::text as today from platform.outbox where created_at >= current_date order by created_at`);
  const { today } = rows[0]!;
  await pool.query(`
    alter table platform.outbox detach partition ${today};
    alter table ${today} drop column detail`);
  await expect(run()).rejects.toThrow(/detail/);
  expect(await exists(old)).toBe(false);
});
