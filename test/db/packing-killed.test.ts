/** A run that is killed at any of its steps, and runs beside writers, lose no row and show none twice. */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type PackStep, packTable } from '../../shared/db/pack-months.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { createDatabase } from '../support/database.ts';
import { History, type Reading } from '../support/history.ts';

const { pool } = await createDatabase();
const now = new Date('2026-05-05T00:00:00Z');
const run = { now, deadline: new Date(Date.now() + 3_600_000), graceMs: 0, chunkRows: 5 };

function readingsOf(sensor: number, days: readonly string[], value: string): Reading[] {
  return days.flatMap((day) =>
    [0, 7, 13].map((hour) => ({
      sensor,
      at: new Date(Date.parse(`${day}T00:00:00.250Z`) + hour * 3_600_000),
      celsius: value,
      exact: hour === 7 ? '0.00000000000000000001' : null,
      place: hour === 13 ? 'roof' : null,
      seenAt: null,
      count: hour,
    })),
  );
}

/** Rows of three months, of which two are old enough to be packed; and late ones, of which some replace others. */
async function fill(history: History): Promise<void> {
  await createPartitions([history.table], now);
  for (const sensor of [1, 2, 3])
    await history.write(readingsOf(sensor, ['2026-01-10', '2026-02-01', '2026-04-30'], '1.5'));
  await history.write(readingsOf(4, ['2020-02-29', '2025-12-31'], '2.25'));
}

const late = [
  ...readingsOf(1, ['2026-01-10'], '9000000000000000000000000000000000000001'),
  ...readingsOf(2, ['2026-02-02', '2025-12-31'], '3'),
];

test('killed after any of its steps, a run is finished by the next one; every read between is right', async () => {
  const steps: PackStep[] = [];
  let killAt = Number.POSITIVE_INFINITY;
  let history = await History.create(pool, 'whole', '2026-01-01Z');
  const onStep = async (step: PackStep) => {
    steps.push(step);
    await history.check();
    if (steps.length === 1) await history.write(late);
    await history.check();
    if (steps.length === killAt) throw new Error(`killed after ${step}`);
  };
  await fill(history);
  await packTable(history.table, { ...run, onStep });
  await history.check();
  expect(new Set(steps)).toEqual(
    new Set(['closed', 'partition created', 'chunk packed', 'packed', 'merged', 'detached', 'dropped']),
  );
  const all = [...steps];
  for (killAt = 1; killAt <= all.length; killAt++) {
    history = await History.create(pool, `killed${killAt}`, '2026-01-01Z');
    await fill(history);
    steps.length = 0;
    await expect(packTable(history.table, { ...run, onStep })).rejects.toThrow(`killed after ${all[killAt - 1]}`);
    await history.check();
    await packTable(history.table, { ...run, onStep });
    await history.check();
    expect(await history.sizes()).toMatchObject({
      raw: 9,
      late: 0,
      partitions: expect.not.arrayContaining([`${history.name}_202602`]),
    });
    await history.drop();
  }
}, 120_000);

test.each(['delete', 'insert', 'update platform.tiers'])(
  'cut off within a transaction that runs %s, a run is finished by the next one',
  async (statement) => {
    const history = await History.create(pool, 'cut', '2026-01-01Z');
    await fill(history);
    await history.write(late);
    await pool.query(`
    create or replace function cut.end_session() returns trigger language plpgsql as $$
    begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`);
    const table = {
      delete: `${history.name}_late`,
      insert: `${history.name}_packed`,
      'update platform.tiers': 'platform.tiers',
    }[statement]!;
    await pool.query(
      `create trigger cut after ${statement.split(' ')[0]} on ${table} for each statement execute function cut.end_session()`,
    );
    try {
      await expect(packTable(history.table, run)).rejects.toMatchObject({ code: 'unavailable' });
      await history.check();
    } finally {
      await pool.query(`drop trigger cut on ${table}`);
    }
    await packTable(history.table, run);
    await history.check();
    expect((await history.sizes()).late).toBe(0);
  },
);

test('writers who go on while months are packed lose nothing, and no read shows a row twice', async () => {
  const history = await History.create(pool, 'busy', '2026-01-01Z');
  await fill(history);
  let isDone = false;
  const days = ['2019-05-05', '2026-01-10', '2026-02-01', '2026-03-15', '2026-04-30', '2026-05-04'];
  const writers = [1, 2].map(async (sensor) => {
    for (let value = 10; !isDone; value++)
      await history.write(readingsOf(sensor, [days[value % days.length]!], String(value)));
  });
  const reader = (async () => {
    while (!isDone) {
      const { rows } = await pool.query(`select count(*)::int as n, count(distinct (sensor, at))::int as keys
        from ${history.name}_rows('{1,2,3,4}', '-infinity', 'infinity', '-infinity')`);
      expect(rows[0].keys).toBe(rows[0].n);
      expect(rows[0].n).toBeGreaterThanOrEqual(33);
    }
  })();
  try {
    for (const days of [70, 40, 10, 0, 0, 0])
      await packTable(history.table, { ...run, now: new Date(now.getTime() - days * 86_400_000) });
  } finally {
    isDone = true;
  }
  await Promise.all([...writers, reader]);
  await packTable(history.table, run);
  await history.check();
  expect((await history.sizes()).late).toBe(0);
});

test('a month waits for the transactions that write rows of it, and those who begin later do not wait for it', async () => {
  const history = await History.create(pool, 'waits', '2026-01-01Z');
  await fill(history);
  const writer: pg.PoolClient = await pool.connect();
  try {
    await writer.query('begin');
    await writer.query(`select closed_until from platform.tiers where name = $1 for share`, [history.name]);
    const packing = packTable(history.table, run);
    await history.write(readingsOf(3, ['2026-02-03'], '5'));
    await writer.query(`insert into ${history.name} (sensor, at, count) values (4, '2026-01-20T10:00:00Z', 5)`);
    await writer.query('commit');
    history.model.set('4 in the open transaction', {
      ...{ sensor: 4, at: new Date('2026-01-20T10:00:00Z'), count: 5 },
      ...{ celsius: null, exact: null, place: null, seenAt: null },
    });
    await packing;
  } finally {
    writer.release(true);
  }
  await history.check();
});

test('while a run is at a table, another does nothing to it', async () => {
  const history = await History.create(pool, 'turns', '2026-01-01Z');
  await fill(history);
  const results: unknown[] = [];
  const onStep = async () => {
    if (results.length === 0) results.push(await packTable(history.table, run));
  };
  expect(await packTable(history.table, { ...run, onStep })).toMatchObject({ months: ['202601', '202602', '202603'] });
  expect(results).toEqual([undefined]);
});

test('a month on its way to the archive is left alone', async () => {
  const history = await History.create(pool, 'moving', '2026-01-01Z');
  await fill(history);
  await packTable(history.table, run);
  await history.write(late);
  await pool.query(
    `insert into platform.archives (name, month, state) values ('${history.name}', '2026-01-01', 'exported')`,
  );
  await packTable(history.table, run);
  expect((await history.sizes()).late).toBe(3);
  await history.check();
  await pool.query(`delete from platform.archives where name = '${history.name}'`);
  await packTable(history.table, run);
  expect((await history.sizes()).late).toBe(0);
  await history.check();
});
