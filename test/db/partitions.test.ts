import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { createPartitions, periodAt } from '../../shared/db/partitions.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { createDatabase } from '../support/database.ts';

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
