/** What is read through the tiers equals a plain map, whatever was written, packed, and merged in which order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packTable } from '../../shared/db/pack-months.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { createDatabase } from '../support/database.ts';
import { everything, History, type Reading } from '../support/history.ts';

const { pool } = await createDatabase();
const deadline = new Date(Date.now() + 3_600_000);
const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);

// across the range of bigint, and what no bigint holds at any unit
const decimal = fc.constantFrom(
  ...[null, '0', '1.5', '-0.00000001', '9223372036854775807', '9223372036854775808', '0.000000000000000001'],
  ...['123456789.123456789123456789', '-42', '1200000000000', 'NaN', 'Infinity'],
);
const fixed = fc.constantFrom(null, '0', '7.00000000000000000001', '19999999999999999999.5', '-3.25', 'NaN');

/** Mostly in the five months from December on, at a few times of the day, so that keys repeat. */
const at = fc
  .record({
    day: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -31, max: 120 }) }, fc.integer({ min: -3_000, max: 120 })),
    ms: fc.constantFrom(0, 1, 3_600_000, dayMs - 1),
  })
  .map(({ day, ms }) => new Date(start + day * dayMs + ms));
const reading: fc.Arbitrary<Reading> = fc.record({
  sensor: fc.integer({ min: 1, max: 4 }),
  at,
  celsius: decimal,
  exact: fixed,
  place: fc.constantFrom(null, '', 'roof', 'o\'clock {"x",NULL}', 'ß☂'),
  seenAt: fc.constantFrom(null, new Date(start + 5), new Date('0099-01-01T00:00:00Z')),
  count: fc.constantFrom(0, 7, -2_147_483_648),
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ write: fc.array(reading, { minLength: 1, maxLength: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ packAfterDays: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ redeliver: fc.nat() }) },
);
const ranges = fc.array(fc.tuple(at, at, fc.subarray([1, 2, 3, 4], { minLength: 1 })), { minLength: 1, maxLength: 3 });

test('reads equal a plain map, whatever is written, redelivered, packed, and merged in which order', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), ranges, async (steps, reads) => {
      const history = await History.create(pool, `sky${++runs}`, '2026-01-01Z');
      let now = start + 120 * dayMs;
      // all months that are written exist from the start
      await createPartitions([history.table], new Date(now));
      for (const one of steps) {
        if ('write' in one) await history.write(one.write);
        else if ('redeliver' in one) await history.write([...history.model.values()].slice(one.redeliver % 7));
        else {
          now += one.packAfterDays * dayMs;
          await packTable(history.table, { now: new Date(now - 60 * dayMs), deadline, graceMs: 0, chunkRows: 3 });
        }
        await history.check();
        for (const [since, until, sensors] of reads) {
          await history.check({ sensors, since, until });
          await history.checkLast(sensors[0]!, until, since);
        }
      }
      await history.drop();
    }),
    { numRuns: 40 },
  );
}, 120_000);

test('equal values take one element, missing ones none, and numbers that do not fit stay as they are', async () => {
  const history = await History.create(pool, 'packs', '2026-01-01Z');
  const one = { sensor: 1, celsius: '21.5', exact: null, place: 'roof', seenAt: null, count: 3 };
  await history.write([0, 1, 2].map((hour) => ({ ...one, at: new Date(start + hour * 3_600_000) })));
  await history.write([
    { ...one, sensor: 2, at: new Date(start), celsius: '0.5' },
    { ...one, sensor: 2, at: new Date(start + 1), celsius: '9000000000000000000000000000000', count: 4 },
  ]);
  await packTable(history.table, { now: new Date('2026-03-05Z'), deadline, graceMs: 0 });
  const { rows } = await pool.query(`select * from ${history.name}_packed order by sensor`);
  expect(rows).toMatchObject([
    {
      offsets: [0, 3_600_000, 7_200_000],
      celsius: ['215'],
      celsius_unit: '0.1',
      celsius_exact: null,
      exact: null,
      exact_exact: null,
    },
    { offsets: [0, 1], celsius: null, celsius_unit: null, celsius_exact: [0.5, 9e30] },
  ]);
  expect(rows.map(({ place, seen_at, count }) => [place, seen_at, count])).toEqual([
    [['roof'], null, [3]],
    [['roof'], null, [3, 4]],
  ]);
  await history.check();
});

test('a day that packs cannot hold stops its table, and its rows stay where they were', async () => {
  const history = await History.create(pool, 'micros', '2026-01-01Z');
  await history.write([
    { sensor: 1, at: new Date(start), celsius: '1', exact: null, place: null, seenAt: null, count: 1 },
  ]);
  await pool.query(`insert into ${history.name} (sensor, at, count) values (1, '2026-01-01T00:00:01.000001Z', 2)`);
  const run = { now: new Date('2026-03-05Z'), deadline, graceMs: 0 };
  await expect(packTable(history.table, run)).rejects.toMatchObject({ code: 'integrity' });
  const { rows } = await pool.query(`select packed_until from platform.tiers where name = '${history.name}'`);
  expect(rows[0].packed_until).toEqual(new Date(start));
  await pool.query(`delete from ${history.name} where count = 2`);
  await history.check();
});

test('a partition with a row that no pack has is not dropped', async () => {
  const history = await History.create(pool, 'stray', '2026-01-01Z');
  const run = { now: new Date('2026-03-05Z'), deadline };
  await packTable(history.table, run);
  await pool.query(`insert into ${history.name} (sensor, at, count) values (1, '2026-01-05Z', 1)`);
  await expect(packTable(history.table, { ...run, graceMs: 0 })).rejects.toMatchObject({ code: 'integrity' });
  const { partitions } = await history.sizes();
  expect(partitions).toContain(`${history.name}_202601`);
});

test('the partition of a packed month stays until reads that began before have ended', async () => {
  const history = await History.create(pool, 'grace', '2026-01-01Z');
  const run = { now: new Date('2026-03-05Z'), deadline };
  expect(await packTable(history.table, run)).toMatchObject({ months: ['202601'], droppedPartitions: [] });
  expect(await packTable(history.table, run)).toMatchObject({ months: [], droppedPartitions: [] });
  await pool.query(
    `update platform.tiers set packed_at = now() - interval '10 minutes 1 second' where name = '${history.name}'`,
  );
  expect(await packTable(history.table, run)).toMatchObject({ droppedPartitions: [`${history.name}_202601`] });
});

test('a read takes only the packs of its days, by their key, and does not look at late rows one by one', async () => {
  const history = await History.create(pool, 'plans', '2026-01-01Z');
  await pool.query(`insert into ${history.name} (sensor, at, count, celsius)
    select s, timestamptz '2026-01-01Z' + i * interval '5 min', i, random()::numeric(10, 8)
    from generate_series(1, 4) as s, generate_series(0, 59 * 288 - 1) as i`);
  await packTable(history.table, { now: new Date('2026-04-05Z'), deadline, graceMs: 0 });
  await pool.query(`vacuum analyze ${history.name}_packed`);
  const { rows } = await pool.query(`explain (analyze, buffers, costs off, timing off)
    select * from (select '{2}'::integer[] as ids) as wanted, ${history.name}_rows(wanted.ids, '2026-01-05Z', '2026-01-25Z', '-infinity')`);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/Index Scan using readings_packed_202601_pkey/);
  expect(plan).not.toMatch(/Function Scan|readings_packed_202602|readings_202603/);
  expect(Number(/shared hit=(\d+)/.exec(plan)![1])).toBeLessThan(60);
  await history.check({ sensors: [], since: everything.since, until: everything.until });
});
