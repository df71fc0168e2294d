/** A filled table that becomes partitioned while others write to it keeps its rows and everything that it had. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { convertToPartitions } from '../../shared/db/convert-to-partitions.ts';
import { findPartitionGaps } from '../../shared/db/partition-gaps.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const { name: database, pool } = await createDatabase();
const auditor = `auditor_${database}`;
const now = new Date('2026-03-15T12:00:00Z');
const table: PartitionedTable = {
  schema: 'sky',
  name: 'readings',
  partitions: { by: 'month', column: 'at', ahead: 2, hash: { column: 'sensor', count: 2 }, storage: 'fillfactor = 80' },
};
const convert = (options = {}) => convertToPartitions(table, { now, ...options });

beforeEach(async () => {
  await pool.query(`
    drop schema if exists sky cascade;
    create schema sky;
    create table sky.sensors (id integer primary key);
    insert into sky.sensors select generate_series(1, 50);
    create table sky.written (sensor integer, at timestamptz);
    create table sky.readings (id bigint generated always as identity, sensor integer references sky.sensors on delete cascade,
      at timestamptz not null, value numeric constraint positive check (value >= 0), note text not null default 'none',
      doubled numeric generated always as (value * 2) stored, serial_number serial,
      constraint readings_key primary key (sensor, at), unique (id, sensor, at));
    create index "by Value" on sky.readings (value desc) include (note) where note <> 'none';
    create function sky.log_written() returns trigger language plpgsql as $$
      begin insert into sky.written select sensor, at from new_rows; return null; end $$;
    create trigger log_written after insert on sky.readings referencing new table as new_rows
      for each statement execute function sky.log_written();
    create function sky.default_note() returns trigger language plpgsql as $$
      begin if new.note = 'none' then new.note := 'set'; end if; return new; end $$;
    create trigger default_note before insert on sky.readings for each row execute function sky.default_note();
    create trigger silent before update on sky.readings for each row execute function sky.default_note();
    alter table sky.readings disable trigger silent;
    comment on table sky.readings is 'What sensors said';
    do $$ begin create role ${auditor}; exception when duplicate_object then null; end $$;
    grant usage on schema sky to ${auditor};
    grant select, insert on sky.readings to ${auditor} with grant option;
    grant update (note) on sky.readings to ${auditor};
    insert into sky.readings (sensor, at, value) select 1 + n % 50, timestamptz '2026-01-01Z' + n * interval '1 min', n
    from generate_series(0, 19999) as n`);
});
afterAll(() => pool.query(`drop owned by ${auditor}; drop role ${auditor}`));

/** What users see of the table, without the order of columns in the catalog. */
async function properties() {
  const { rows } = await pool.query(`
    select obj_description('sky.readings'::regclass) as comment, pg_get_userbyid(relowner) as owner,
      (select array_agg(g::text order by g::text) from unnest(relacl) as g) as grants,
      (select array_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attidentity::text || attgenerated::text || attnotnull
         || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(attacl::text, '') order by attnum)
       from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where attrelid = c.oid and attnum > 0) as columns,
      (select array_agg(conname || ' ' || replace(pg_get_constraintdef(k.oid), ' ONLY', '') order by conname) from pg_constraint k where conrelid = c.oid) as constraints,
      (select array_agg(replace(pg_get_indexdef(i.indexrelid), ' ONLY', '') order by i.indexrelid::regclass::text) from pg_index i where indrelid = c.oid) as indexes,
      (select array_agg(pg_get_triggerdef(t.oid) || tgenabled::text order by tgname) from pg_trigger t where tgrelid = c.oid and not tgisinternal) as triggers,
      pg_get_serial_sequence('sky.readings', 'serial_number') as serial
    from pg_class c where oid = 'sky.readings'::regclass`);
  return rows[0];
}

test('rows, name, keys, indexes, foreign keys, triggers, grants, defaults, and identity are kept', async () => {
  const before = await properties();
  const rows = `select count(*)::int as n, sum(id)::text as ids, sum(hashtextextended(r::text, 0))::text as hash from sky.readings r`;
  const stored = (await pool.query(rows)).rows;
  expect(await convert()).toBe(true);
  expect(await properties()).toEqual(before);
  expect((await pool.query(rows)).rows).toEqual(stored);
  await pool.query(`insert into sky.readings (sensor, at, value) values (1, '2026-03-15Z', 1), (1, '2026-06-15Z', 2)`);
  const { rows: added } = await pool.query(
    `select tableoid::regclass::text as partition, id::int, note, serial_number as serial from sky.readings where id > 20000 order by id`,
  );
  expect(added).toEqual([
    { partition: 'sky.readings_before_202605', id: 20_001, note: 'set', serial: 20_001 },
    { partition: expect.stringMatching(/^sky\.readings_202606_[01]$/), id: 20_002, note: 'set', serial: 20_002 },
  ]);
  const { rows: logged } = await pool.query('select count(*)::int as n from sky.written');
  expect(logged[0].n).toBe(20_002);
  await expect(pool.query(`insert into sky.readings (sensor, at) values (99, '2026-03-01Z')`)).rejects.toThrow(
    /foreign key/,
  );
  await pool.query('delete from sky.sensors where id = 1');
  expect((await pool.query('select from sky.readings where sensor = 1')).rowCount).toBe(0);
  expect(await findPartitionGaps([table], now)).toEqual([]);
  expect(await convert()).toBe(false);
});

test('writers who go on meanwhile lose nothing', async () => {
  let isDone = false;
  const written = await Promise.all([
    ...[1, 2, 3].map(async (sensor) => {
      let count = 0;
      for (; !isDone; count++)
        await pool.query(
          `insert into sky.readings (sensor, at, value) values ($1, timestamptz '2025-01-01Z' + $2 * interval '1 second', 1)
           on conflict (sensor, at) do update set value = excluded.value`,
          [sensor, count],
        );
      return count;
    }),
    convert({
      onStep: async () => {
        const { rows } = await pool.query('select count(*)::int as n from sky.readings');
        await waitFor('writers', async () => {
          const later = await pool.query('select count(*)::int as n from sky.readings');
          return later.rows[0].n > rows[0].n + 5;
        });
      },
    }).finally(() => {
      isDone = true;
    }),
  ]);
  const counts = written.filter((one) => typeof one === 'number');
  const { rows } = await pool.query(
    `select sensor, count(*)::int as n from sky.readings where at < '2026-01-01' group by 1 order by 1`,
  );
  expect(rows.map(({ n }) => n)).toEqual(counts);
  const { rows: old } = await pool.query(
    `select count(*)::int as n from sky.readings_before_202605 where at < '2026-01-01'`,
  );
  expect(old[0].n).toBe(counts.reduce((sum, one) => sum + one, 0));
});

test.each(['prepared', 'bounded', 'validated', 'swapped'])(
  'killed once it has %s, it is started again',
  async (killedAt) => {
    const before = await properties();
    const onStep = async (step: string) => {
      if (step === killedAt) throw new Error('killed');
    };
    await expect(convert({ onStep })).rejects.toThrow('killed');
    await pool.query(`insert into sky.readings (sensor, at, value) values (1, '2026-03-15Z', 1)`);
    expect(await convert()).toBe(killedAt !== 'swapped');
    expect(await properties()).toEqual(before);
    expect((await pool.query('select from sky.readings')).rowCount).toBe(20_001);
  },
);

test('it waits for a transaction that has the table, and those who come meanwhile do not', async () => {
  const [holder, other] = [await pool.connect(), await pool.connect()];
  try {
    await holder.query(`begin; insert into sky.readings (sensor, at, value) values (2, '2026-03-15Z', 1)`);
    let attempts = 0;
    const converting = convert().finally(() => (attempts = 99));
    for (; attempts < 2; attempts++) {
      await waitFor('an attempt', async () => (await waitingFor('add constraint within_bound')) > 0);
      await other.query(`set lock_timeout = '1s'`);
      await other.query(
        `insert into sky.readings (sensor, at, value) values (3, timestamptz '2025-03-01Z' + $1 * interval '1 hour', 1)`,
        [attempts],
      );
      await waitFor('its end', async () => (await waitingFor('add constraint within_bound')) === 0);
    }
    await holder.query('commit');
    expect(await converting).toBe(true);
  } finally {
    for (const client of [holder, other]) client.release(true);
  }
});

async function waitingFor(statement: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ilike $1`,
    [`%${statement}%`],
  );
  return rows[0]!.n;
}

test('a row past the bound that came in first stops it, and no row is refused afterwards', async () => {
  const onStep = async (step: string) => {
    if (step === 'prepared') await pool.query(`insert into sky.readings (sensor, at) values (1, '2026-05-01Z')`);
  };
  await expect(convert({ onStep })).rejects.toMatchObject({ code: 'integrity' });
  await pool.query(`insert into sky.readings (sensor, at) values (2, '2026-05-01Z')`);
  expect(await convert()).toBe(true);
});

test.each([
  ['alter table sky.readings drop constraint readings_key, alter column at drop not null', 'its column at may be null'],
  ['create unique index by_id on sky.readings (id)', 'the key sky.by_id lacks the column at'],
  [
    'create table sky.notes (sensor integer, at timestamptz, foreign key (sensor, at) references sky.readings)',
    'the foreign key notes_sensor_at_fkey of sky.notes refers to it',
  ],
  ['create view sky.latest as select max(at) from sky.readings', 'the view sky.latest reads it'],
  [
    `create function sky.all_rows() returns setof sky.readings language sql as 'select * from sky.readings'`,
    'the function sky.all_rows() returns its rows',
  ],
  ['alter table sky.readings enable row level security', 'it has row-level security'],
  [`insert into sky.readings (sensor, at) values (1, 'infinity')`, 'it has a row at infinity'],
])('a table is left alone after: %s', async (statement, obstacle) => {
  await pool.query(statement);
  await expect(convert()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(obstacle) });
  const { rows } = await pool.query(`select relkind from pg_class where oid = 'sky.readings'::regclass`);
  expect(rows[0].relkind).toBe('r');
});
