import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { createPartitions, periodAt } from '../../shared/db/partitions.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
await pool.query(`
  create schema sky;
  create table sky.readings (id integer, at timestamptz not null, is_sent boolean) partition by range (at)`);
afterAll(() => pool.query('drop schema sky cascade'));

const daily: PartitionedTable = {
  schema: 'sky',
  name: 'readings',
  partitions: { by: 'day', column: 'at', ahead: 2, kept: 1, keepWhile: 'not is_sent', storage: 'fillfactor = 40' },
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
  const [first] = await createPartitions([daily], day('2026-02-27'));
  expect(first).toEqual({
    table: 'sky.readings',
    created: ['readings_20260227', 'readings_20260228', 'readings_20260301'],
    dropped: [],
  });
  expect(await createPartitions([daily], day('2026-02-27'))).toEqual([{ ...first, created: [] }]);
  await pool.query(
    `insert into sky.readings values (1, '2026-02-28T23:59:59.999Z', true), (2, '2026-03-01T00:00:00Z', false)`,
  );
  const { rows } = await pool.query('select tableoid::regclass::text as partition from sky.readings order by id');
  expect(rows.map(({ partition }) => partition)).toEqual(['sky.readings_20260228', 'sky.readings_20260301']);
  const options = await pool.query(`select reloptions from pg_class where relname = 'readings_20260301'`);
  expect(options.rows[0].reloptions).toEqual(['fillfactor=40']);
  const checks = await pool.query(
    `select 1 from pg_constraint where conrelid = 'sky.readings_20260301'::regclass and contype = 'c'`,
  );
  expect(checks.rowCount).toBe(0);
});

test('a partition past its retention is dropped, unless it has a row that must be kept', async () => {
  const [report] = await createPartitions([daily], day('2026-03-03'));
  expect(report!.dropped).toEqual(['readings_20260227', 'readings_20260228']);
  await pool.query('update sky.readings set is_sent = true');
  expect((await createPartitions([daily], day('2026-03-03')))[0]!.dropped).toEqual(['readings_20260301']);
});

test('a table without a retention keeps its partitions', async () => {
  await pool.query('create table sky.months (at timestamptz not null) partition by range (at)');
  const monthly: PartitionedTable = {
    schema: 'sky',
    name: 'months',
    partitions: { by: 'month', column: 'at', ahead: 1 },
  };
  expect((await createPartitions([monthly], day('2025-12-31')))[0]!.created).toEqual([
    'months_202512',
    'months_202601',
  ]);
  expect((await createPartitions([monthly], day('2030-01-01')))[0]!.dropped).toEqual([]);
});

test('two runs at once create each partition once', async () => {
  const runs = await Promise.all([1, 2, 3].map(() => createPartitions([daily], day('2026-05-01'))));
  const created = runs.flatMap(([report]) => report!.created);
  expect(created.sort()).toEqual(['readings_20260501', 'readings_20260502', 'readings_20260503']);
});

test('a partition that exists but is not attached is attached', async () => {
  await pool.query('create table sky.readings_20260601 (like sky.readings including defaults including constraints)');
  await createPartitions([daily], day('2026-06-01'));
  await pool.query(`insert into sky.readings values (3, '2026-06-01T13:00Z', true)`);
});

test('a table that cannot be partitioned fails the run, but keeps no other from its partitions', async () => {
  await pool.query('create table sky.plain (at timestamptz not null)');
  const broken: PartitionedTable = { ...daily, name: 'plain' };
  await expect(createPartitions([broken, daily], day('2026-07-01'))).rejects.toThrow(/plain/);
  const { rows } = await pool.query(`select to_regclass('sky.readings_20260701') is not null as exists`);
  expect(rows[0].exists).toBe(true);
});

test('retention goes by the bounds of a partition, not by its name', async () => {
  await pool.query(`
    create table sky.readings_2027 partition of sky.readings for values from ('2027-01-01Z') to ('2028-01-01Z');
    insert into sky.readings values (7, '2027-12-31T12:00Z', true)`);
  await createPartitions([daily], day('2028-01-01'));
  expect((await pool.query('select from sky.readings where id = 7')).rowCount).toBe(1);
  expect((await createPartitions([daily], day('2028-01-02')))[0]!.dropped).toContain('readings_2027');
});

test('a drop that would have to wait for a lock is left to the next run', async () => {
  await createPartitions([daily], day('2029-01-01'));
  const writer = await pool.connect();
  await writer.query(`begin; insert into sky.readings values (8, '2029-01-01T12:00Z', true)`);
  expect((await createPartitions([daily], day('2029-01-03')))[0]!.dropped).not.toContain('readings_20290101');
  await writer.query('commit');
  writer.release();
  expect((await createPartitions([daily], day('2029-01-03')))[0]!.dropped).toContain('readings_20290101');
});

test('the outbox has partitions for two weeks ahead', async () => {
  const tables = partitionedTablesOf(domains);
  expect(tables.map(({ schema, name }) => `${schema}.${name}`)).toEqual(['platform.outbox']);
  await createPartitions(tables, new Date());
  const { label } = periodAt('day', new Date(), 14);
  const { rows } = await pool.query('select to_regclass($1) is not null as exists', [`platform.outbox_${label}`]);
  expect(rows[0].exists).toBe(true);
});
