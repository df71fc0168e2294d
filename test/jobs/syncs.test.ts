import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import { inTransaction } from '../../shared/db/transaction.ts';
import { insertJob, startJob } from '../../shared/jobs/job.ts';
import { runSync, type Sync } from '../../shared/jobs/sync.ts';
import { raiseWatermark, watermarkOf } from '../../shared/jobs/watermark.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { createDatabase } from '../support/database.ts';
import { createQueue } from '../support/queues.ts';
import { waitFor } from '../support/wait-for.ts';

const relay = await createQueue('relay');
const { pool } = await createDatabase({ RELAY_QUEUE_URL: relay.url });
const { count } = defineJobs('test', {
  count: { summary: 'Counts.', lane: 'bulk', params: z.strictObject({ name: z.string() }) },
});

let runs = 0;
/** A worker that has just started a job. */
async function startRun() {
  const { id: jobId } = await insertJob(count, { name: `run ${++runs}` }, 'test');
  const { token } = (await startJob(jobId))!;
  return { jobId, token, deadline: new Date(Date.now() + 60_000) };
}

/** A sync of two batches of 50 rows, the first of which has rejected rows. `positions` lists where its runs began. */
function createSync(name: string, rejected: number, changes: Partial<Sync<number>> = {}) {
  const positions: unknown[] = [];
  const sync: Sync<number> = {
    name,
    async *read(position) {
      positions.push(position);
      for (let batch = (position as number | null) ?? 0; batch < 2; batch++) {
        const invalid = batch === 0 ? rejected : 0;
        yield {
          rows: Array.from({ length: 50 - invalid }, (_, i) => i),
          rejected: Array.from({ length: invalid }, (_, i) => ({ position: i + 1, reason: 'is odd', row: i })),
          next: batch + 1,
        };
      }
    },
    apply: async (_, rows) => ({ applied: rows.length, unchanged: 0 }),
    ...changes,
  };
  return { sync, positions };
}

test('a run fails only if more than one row in a hundred is rejected', async () => {
  expect(await runSync(createSync('one', 1).sync, await startRun())).toBe('done');
  await expect(runSync(createSync('two', 2).sync, await startRun())).rejects.toMatchObject({ code: 'integrity' });
});

test('after too many rejected rows the next run starts over; after an outage it resumes', async () => {
  const rejecting = createSync('rejecting', 2);
  for (let i = 0; i < 2; i++) await runSync(rejecting.sync, await startRun()).catch(() => {});
  expect(rejecting.positions).toEqual([null, null]);
  let fails = true;
  const failing = createSync('failing', 0, {
    async finish() {
      if (fails) throw new Unavailable('The database is unavailable.');
      return undefined;
    },
  });
  await expect(runSync(failing.sync, await startRun())).rejects.toMatchObject({ code: 'unavailable' });
  fails = false;
  expect(await runSync(failing.sync, await startRun())).toBe('done');
  expect(failing.positions).toEqual([null, 2]);
});

test('a row that a table refuses is rejected alone, whatever let it through', async () => {
  await pool.query('create table public.digits (digit smallint check (digit <> 4), word text)');
  const { sync } = createSync('digits', 0, {
    async *read() {
      yield { rows: Array.from({ length: 200 }, (_, i) => (i < 150 ? 1 : 2)), rejected: [], next: 1 };
      const rows = Array.from({ length: 200 }, () => 3);
      rows[17] = 4;
      rows[18] = 70_000;
      rows[150] = 0;
      yield { rows, rejected: [{ reason: 'is odd', row: 5 }], next: 2 };
      // lines of a file
      const lines = Array.from({ length: 200 }, (_, i) => 7_000 + i);
      yield { rows: lines.map((line) => (line === 7_100 ? 4 : 3)), positions: lines, rejected: [], next: null };
    },
    async apply(tx, rows) {
      const words = rows.map((digit) => (digit === 0 ? 'a\0b' : 'word'));
      await tx.query('insert into public.digits select * from unnest($1::int[], $2::text[])', [rows, words]);
      return { applied: rows.length, unchanged: 0 };
    },
  });
  const run = await startRun();
  expect(await runSync(sync, run)).toBe('done');
  const stored = await pool.query('select digit, count(*)::int from public.digits group by 1 order by 1');
  expect(stored.rows.map((row) => Object.values(row))).toEqual([
    [1, 150],
    [2, 50],
    [3, 396],
  ]);
  const { rows } = await pool.query(
    'select position::int, reason, data from platform.rejected_rows where job_id = $1 order by position',
    [run.jobId],
  );
  expect(rows).toEqual([
    { position: 398, reason: 'is odd', data: 5 },
    { position: 399, reason: expect.stringMatching(/does not fit the table: .*digits_digit_check/), data: 4 },
    { position: 400, reason: expect.stringMatching(/does not fit the table: .*smallint/), data: 70_000 },
    { position: 401, reason: expect.stringMatching(/does not fit the table: .*UTF8/), data: 0 },
    { position: 7_100, reason: expect.stringMatching(/digits_digit_check/), data: 4 },
  ]);
  const { rows: counts } = await pool.query(
    'select rows_read::int, rows_applied::int, rows_rejected::int from platform.jobs where id = $1',
    [run.jobId],
  );
  expect(counts).toEqual([{ rows_read: 601, rows_applied: 596, rows_rejected: 5 }]);
});

test('if a table refuses most rows, the fault is not theirs: the run fails', async () => {
  await pool.query('create table public.refusing (digit integer check (digit < 0))');
  const { sync } = createSync('refusing', 0, {
    async apply(tx, rows) {
      await tx.query('insert into public.refusing select * from unnest($1::int[])', [rows]);
      return { applied: rows.length, unchanged: 0 };
    },
    async *read() {
      yield { rows: Array.from({ length: 100 }, (_, i) => i), rejected: [], next: null };
    },
  });
  await expect(runSync(sync, await startRun())).rejects.toMatchObject({ code: 'integrity' });
});

test('a run keeps its lease while its source has nothing to apply yet', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const secondsLeft = async () =>
    (
      await pool.query(
        `select extract(epoch from lease_until - now())::float8 as left from platform.checkpoints where name = 'slow'`,
      )
    ).rows[0].left;
  const { sync } = createSync('slow', 0, {
    async *read() {
      await pool.query(`update platform.checkpoints set lease_until = now() + interval '1 second' where name = 'slow'`);
      await vi.advanceTimersByTimeAsync(60_000);
      await waitFor('a longer lease', async () => (await secondsLeft()) > 60);
      yield { rows: [1], rejected: [], next: null };
    },
  });
  expect(await runSync(sync, await startRun())).toBe('done');
  vi.useRealTimers();
});

test('a run that was taken over after its last batch does not finish', async () => {
  await pool.query('create table public.finished (name text)');
  const { sync } = createSync('overtaken', 0, {
    async finish(tx) {
      await tx.query(`insert into public.finished values ('overtaken')`);
      return undefined;
    },
  });
  const { read } = sync;
  sync.read = async function* (position) {
    yield* read(position);
    await pool.query(`update platform.checkpoints set lease_token = gen_random_uuid() where name = 'overtaken'`);
  };
  await expect(runSync(sync, await startRun())).rejects.toMatchObject({ code: 'conflict' });
  expect((await pool.query('select from public.finished')).rowCount).toBe(0);
});

test('a run that changed many rows announces it, so that their statistics are renewed', async () => {
  const load = async (rows: number) => {
    const run = await startRun();
    const apply = async () => ({ applied: rows / 2, unchanged: 0 });
    await runSync(createSync(`load of ${rows}`, 0, { apply }).sync, run);
    const { rows: announced } = await pool.query(
      `select type from platform.outbox where entities = array['jobs:' || $1]`,
      [run.jobId],
    );
    return announced.map(({ type }) => type);
  };
  expect([await load(49_998), await load(50_000)]).toEqual([[], ['rows_loaded']]);
});

test('a watermark never moves back', async () => {
  const raise = (micros: string | null) => inTransaction((tx) => raiseWatermark(tx, 'tides', micros));
  expect(await watermarkOf('tides', 0)).toBeUndefined();
  for (const micros of ['1700000000000000', '1600000000000000', null]) await raise(micros);
  expect(await watermarkOf('tides', 15)).toEqual(new Date(1_700_000_000_000 - 15 * 60_000));
});
