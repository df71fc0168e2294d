import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { findPartitionGaps } from '../../shared/db/partition-gaps.ts';
import { createPartitions, periodAt } from '../../shared/db/partitions.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const { pool } = await createDatabase();
await pool.query(`
  create schema sky;
  create table sky.readings (id integer, at timestamptz not null) partition by range (at)`);
afterAll(() => pool.query('drop schema sky cascade'));

const daily: PartitionedTable = {
  schema: 'sky',
  name: 'readings',
  partitions: { by: 'day', column: 'at', ahead: 2, storage: 'fillfactor = 40' },
};
const day = (text: string) => new Date(`${text}T12:00:00Z`);

test('periods are contiguous and contain the time that they are named after', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
      fc.constantFrom('day' as const, 'month' as const),
      fc.integer({ min: -40, max: 40 }),
      (now, by, offset) => {
        const [period, next] = [periodAt(by, now, offset), periodAt(by, now, offset + 1)];
        expect(period.to).toEqual(next.from);
        expect(period.label < next.label).toBe(true);
        const current = periodAt(by, now, 0);
        expect(current.from <= now && now < current.to).toBe(true);
        expect(current.from.toISOString().replaceAll('-', '').startsWith(current.label)).toBe(true);
      },
    ),
  );
});

test('partitions are created ahead once, with their storage parameters, and receive their rows', async () => {
  expect(await createPartitions([daily], day('2026-02-27'))).toEqual([
    'sky.readings_20260227',
    'sky.readings_20260228',
    'sky.readings_20260301',
  ]);
  expect(await createPartitions([daily], day('2026-02-27'))).toEqual([]);
  await pool.query(`insert into sky.readings values (1, '2026-02-28T23:59:59.999Z'), (2, '2026-03-01T00:00:00Z')`);
  const { rows } = await pool.query('select tableoid::regclass::text as partition from sky.readings order by id');
  expect(rows.map(({ partition }) => partition)).toEqual(['sky.readings_20260228', 'sky.readings_20260301']);
  const options = await pool.query(`select reloptions from pg_class where relname = 'readings_20260301'`);
  expect(options.rows[0].reloptions).toEqual(['fillfactor=40']);
  const checks = await pool.query(
    `select 1 from pg_constraint where conrelid = 'sky.readings_20260301'::regclass and contype = 'c'`,
  );
  expect(checks.rowCount).toBe(0);
});

test('months are created across the turn of the year', async () => {
  await pool.query('create table sky.months (at timestamptz not null) partition by range (at)');
  const monthly: PartitionedTable = {
    schema: 'sky',
    name: 'months',
    partitions: { by: 'month', column: 'at', ahead: 1 },
  };
  expect(await createPartitions([monthly], day('2025-12-31'))).toEqual(['sky.months_202512', 'sky.months_202601']);
});

test('two runs at once create each partition once', async () => {
  const created = await Promise.all([1, 2, 3].map(() => createPartitions([daily], day('2026-05-01'))));
  expect(created.flat().sort()).toEqual(['sky.readings_20260501', 'sky.readings_20260502', 'sky.readings_20260503']);
});

test.each([
  ['without', '2026-06-01', ''],
  ['with', '2026-06-11', `, constraint within check (at >= '2026-06-11' and at < '2026-06-12')`],
])('a partition that was created %s its CHECK, but not attached, is attached', async (_, date, check) => {
  const partition = `sky.readings_${date.replaceAll('-', '')}`;
  await pool.query(`create table ${partition} (like sky.readings including defaults including constraints${check})`);
  expect(await createPartitions([daily], day(date))).toContain(partition);
  await pool.query(`insert into sky.readings values (3, '${date}T13:00Z')`);
});

test('partitions are created without waiting for a transaction that writes to the table, or making others wait', async () => {
  await createPartitions([daily], day('2026-08-01'));
  const [writer, other] = [await pool.connect(), await pool.connect()];
  try {
    await writer.query(`begin; insert into sky.readings values (4, '2026-08-01T12:00Z')`);
    await createPartitions([daily], day('2026-08-02'));
    await other.query(`set lock_timeout = '1s'`);
    await other.query(`insert into sky.readings values (5, '2026-08-04T12:00Z')`);
  } finally {
    for (const client of [writer, other]) client.release(true);
  }
});

test('a table that cannot be partitioned fails the run, but keeps no other from its partitions', async () => {
  await pool.query('create table sky.plain (at timestamptz not null)');
  const broken: PartitionedTable = { ...daily, name: 'plain' };
  await expect(createPartitions([broken, daily], day('2026-07-01'))).rejects.toThrow(/plain/);
  const { rows } = await pool.query(`select to_regclass('sky.readings_20260701') is not null as exists`);
  expect(rows[0].exists).toBe(true);
});

const monthly: PartitionedTable = {
  schema: 'sky',
  name: 'values',
  partitions: { by: 'month', column: 'at', ahead: 1, hash: { column: 'id', count: 4 }, storage: 'fillfactor = 60' },
};

async function createValues(): Promise<void> {
  await pool.query(`
    drop table if exists sky.values, sky.stars cascade;
    create table sky.stars (id integer primary key);
    insert into sky.stars select generate_series(1, 100);
    create table sky.values (id integer references sky.stars, at timestamptz, size text, primary key (id, at)) partition by range (at);
    alter table sky.values alter column size set storage main;
    create index on sky.values (size)`);
}

test('a month is split by hash, with the keys, storage and parameters of its table', async () => {
  await createValues();
  expect(await createPartitions([monthly], day('2026-03-15'))).toEqual(['sky.values_202603', 'sky.values_202604']);
  await pool.query(`insert into sky.values select id, '2026-04-30T23:59:59.999Z', 'small' from sky.stars`);
  const { rows } = await pool.query(
    `select distinct tableoid::regclass::text as name from sky.values where at >= '2026-04-01' order by 1`,
  );
  expect(rows.map(({ name }) => name)).toEqual([0, 1, 2, 3].map((n) => `sky.values_202604_${n}`));
  const parts = await pool.query(`
    select c.reloptions, a.attstorage, (select count(*)::int from pg_index i where i.indrelid = c.oid and i.indisvalid) as indexes,
      (select count(*)::int from pg_constraint k where k.conrelid = c.oid and k.contype = 'f') as keys
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'size' where c.relkind = 'r' and c.relname ~ '^values_202604_'`);
  expect(parts.rows).toHaveLength(4);
  for (const one of parts.rows)
    expect(one).toEqual({ reloptions: ['fillfactor=60'], attstorage: 'm', indexes: 2, keys: 1 });
  await expect(pool.query(`insert into sky.values values (1, '2026-04-30T23:59:59.999Z')`)).rejects.toThrow(/unique/);
});

test('a period that a partition with other bounds covers gets none', async () => {
  await createValues();
  await pool.query(`create table sky.values_old partition of sky.values for values from (minvalue) to ('2026-04-01Z')`);
  expect(await createPartitions([monthly], day('2026-03-15'))).toEqual(['sky.values_202604']);
  expect(await findPartitionGaps([monthly], day('2026-03-15'))).toEqual([]);
});

test('missing periods, those that are only half there, and rows in a default partition are reported', async () => {
  await createValues();
  await pool.query(`
    create table sky.values_half partition of sky.values for values from ('2026-04-02Z') to ('2026-05-01Z');
    create table sky.values_rest partition of sky.values default;
    insert into sky.values values (1, '2026-04-01'), (2, '2020-01-01')`);
  expect(await findPartitionGaps([daily, monthly], day('2026-03-15'))).toContainEqual({
    table: 'sky.values',
    missing: ['202603', '202604'],
    defaultRows: 2,
  });
});

test('a tiered table has partitions from the first month that it takes rows of', async () => {
  await createValues();
  await pool.query(
    `insert into platform.tiers (name, closed_until, packed_until) values ('sky.values', '2026-02-01Z', '2026-01-01Z')`,
  );
  expect(await findPartitionGaps([monthly], day('2026-03-15'))).toMatchObject([
    { missing: ['202602', '202603', '202604'] },
  ]);
  expect(await createPartitions([monthly], day('2026-03-15'))).toHaveLength(3);
  await pool.query(`delete from platform.tiers where name = 'sky.values'`);
});

test('those who write to a table that it refers to do not wait for a partition that has to wait for one of them', async () => {
  await createValues();
  const [writer, other] = [await pool.connect(), await pool.connect()];
  try {
    await writer.query('begin; insert into sky.stars values (101)');
    const creating = createPartitions([monthly], day('2026-03-15'));
    for (let attempts = 0; attempts < 2; attempts++) {
      await waitFor('an attempt', () => isWaiting('attach'));
      await other.query(`set lock_timeout = '1s'`);
      await other.query('insert into sky.stars values ($1)', [200 + attempts]);
      await waitFor('its end', async () => !(await isWaiting('attach')));
    }
    await writer.query('commit');
    expect(await creating).toHaveLength(2);
  } finally {
    for (const client of [writer, other]) client.release(true);
  }
});

async function isWaiting(statement: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ilike $1`,
    [`%${statement}%`],
  );
  return rowCount !== 0;
}
