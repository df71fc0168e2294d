import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { commit } from '../../shared/changes/commit.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { insertJob, startJob } from '../../shared/jobs/job.ts';
import { moveCheckpoint, takeLease } from '../../shared/jobs/lease.ts';
import { runSync, type Sync } from '../../shared/jobs/sync.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createCollections } from '../support/collections.ts';
import { drain, putObject } from '../support/queues.ts';

const { call, importFile, database, runMessage, jobRow, jobsQueue } = await createCollections();
const contract = (n: number) => `0x${n.toString(16).padStart(40, 'a')}`;
const csv = (...lines: string[]) => ['token_id,trait_type,trait_value', ...lines].join('\n');
const rejectedOf = async (id: string) =>
  (
    await database.pool.query('select position::int, reason from platform.rejected_rows where job_id = $1 order by 1', [
      id,
    ])
  ).rows;
afterEach(() => vi.restoreAllMocks());

test('valid rows are applied; invalid ones are listed with line and reason', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => `${i},Hat,Red`);
  const job = await importFile('traits', 'a.csv', csv(...rows, '-1,Hat,Red', '7,Hat', '8,Hat,'), {
    collection: contract(1),
  });
  expect(job).toMatchObject({ status: 'succeeded', rows_read: 303, rows_applied: 300, rows_rejected: 3 });
  expect(await rejectedOf(job.id)).toEqual([
    { position: 302, reason: 'token_id must be a whole number from 0 to 2^256 - 1, in decimal' },
    { position: 303, reason: 'has 2 fields; the header has 3' },
    { position: 304, reason: expect.stringContaining('trait_value') },
  ]);
});

test('above the threshold the run fails with the reason, and the valid rows stay applied', async () => {
  const job = await importFile('traits', 'a.csv', csv('1,Hat,Red', 'x,Hat,Red', 'y,Hat,Red'), {
    collection: contract(2),
  });
  expect(job).toMatchObject({ status: 'failed', rows_applied: 1, rows_rejected: 2 });
  expect(job.error).toEqual({
    code: 'integrity',
    message: '2 of 3 rows were rejected, more than 1 %. The others were applied. See the rejected rows of the job.',
  });
  expect((await call(`/v1/collections/${contract(2)}/traits`)).json.tokenCount).toBe(1);
});

const invalidFiles: [
  what: string,
  name: string,
  content: Buffer | string,
  set: Record<string, string>,
  reason: string,
][] = [
  [
    'a missing column',
    'a.csv',
    'token_id,trait_type\n1,Hat',
    { collection: contract(3) },
    'missing columns: trait_value',
  ],
  ['a missing column that --set could supply', 'a.csv', csv('1,Hat,Red'), {}, 'collection (or --set collection=…)'],
  [
    'an unknown column',
    'a.csv',
    'token_id,trait_type,trait_value,colour\n1,Hat,Red,x',
    { collection: contract(3) },
    'Unknown columns for traits: colour',
  ],
  [
    'a --set column that the file has too',
    'a.csv',
    csv('1,Hat,Red'),
    { collection: contract(3), trait_type: 'Hat' },
    'already has the column trait_type',
  ],
  [
    'an unknown --set column',
    'a.csv',
    csv('1,Hat,Red'),
    { collection: contract(3), owner: 'x' },
    'does not take --set owner',
  ],
  ['an empty file', 'a.csv', '', { collection: contract(3) }, 'is empty'],
  ['an unknown format', 'a.xlsx', 'x', { collection: contract(3) }, 'Unknown file format: '],
  [
    'a truncated file',
    'a.csv.gz',
    gzipSync(csv(...Array.from({ length: 500 }, (_, i) => `${i},Hat,${i}`))).subarray(0, 900),
    { collection: contract(3) },
    'truncated',
  ],
  ['a file that is not gzip', 'a.csv.gz', csv('1,Hat,Red'), { collection: contract(3) }, 'not gzip'],
  ['a file that is not Parquet', 'a.parquet', 'PAR1 is not enough', { collection: contract(3) }, 'not Parquet'],
];

test.each(invalidFiles)('%s fails the job with the reason', async (_, name, content, set, reason) => {
  const job = await importFile('traits', name, content, set);
  expect([job.status, job.error?.code]).toEqual(['failed', 'invalid_input']);
  expect(job.error!.message).toContain(reason);
});

test('CSV, NDJSON, and Parquet files import the same rows; numbers keep all digits', async () => {
  const large = (2n ** 200n).toString();
  const ndjson = `{"token_id": ${large}, "trait_type": "Hat", "trait_value": "Red"}\n`;
  await importFile('traits', 'a.ndjson', ndjson, { collection: contract(4) });
  const parquet = parquetWriteBuffer({
    columnData: [
      { name: 'token_id', data: [large], type: 'STRING' },
      { name: 'trait_type', data: ['Hat'], type: 'STRING' },
      { name: 'trait_value', data: ['Red'], type: 'STRING' },
    ],
  });
  for (const [name, content] of [
    ['a.csv.gz', gzipSync(csv(`${large},Hat,Red`))],
    ['a.parquet', Buffer.from(parquet)],
    ['a.jsonl.gz', gzipSync(ndjson)],
  ] as const) {
    expect([name, await importFile('traits', name, content, { collection: contract(4) })]).toMatchObject([
      name,
      { status: 'succeeded', rows_read: 1, rows_applied: 0, rows_unchanged: 1 },
    ]);
  }
  expect((await call(`/v1/collections/${contract(4)}/nfts/${large}`)).json.tokenId).toBe(large);
});

test('a row whose collection is a mistyped address is rejected alone', async () => {
  const mistyped = `0x${'zz'.repeat(20)}`;
  const lines = ['collection,token_id,trait_type,trait_value', `${contract(7)},1,Hat,Red`, `${mistyped},1,Hat,Red`];
  const job = await importFile('traits', 'a.csv', lines.join('\n'));
  // one of two rows is more than the share that an import may reject
  expect(job).toMatchObject({ status: 'failed', rows_applied: 1, rows_rejected: 1, error: { code: 'integrity' } });
});

test('a row that cannot be stored is rejected alone, and listed', async () => {
  const rows = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify({ token_id: i, trait_type: 'Hat', trait_value: 'Red' }),
  );
  const unstorable = [
    '{"token_id":1,"trait_type":"Hat","trait_value":"x\\u0000"}',
    '{"token_id":2,"a\\u0000":"\\ud800"}',
    'x\0',
  ];
  const job = await importFile('traits', 'a.jsonl', [...rows, ...unstorable].join('\n'), { collection: contract(8) });
  expect(job).toMatchObject({ status: 'succeeded', rows_read: 303, rows_applied: 300, rows_rejected: 3 });
  expect((await rejectedOf(job.id)).map(({ reason }) => reason)).toEqual([
    'trait_value contains a NUL character, which cannot be stored',
    'a␀ contains a NUL character, which cannot be stored',
    'is not JSON',
  ]);
});

test('a Parquet file without a required column is refused as a whole', async () => {
  const parquet = parquetWriteBuffer({ columnData: [{ name: 'token_id', data: ['1'], type: 'STRING' }] });
  const job = await importFile('traits', 'a.parquet', Buffer.from(parquet), { collection: contract(8) });
  expect(job).toMatchObject({
    status: 'failed',
    error: { message: 'The file is missing columns: trait_type (or --set trait_type=…), trait_value.' },
  });
});

test('an import into an unknown dataset fails', async () => {
  const job = await importFile('sales', 'a.csv', csv('1,Hat,Red'));
  expect([job.status, job.error?.message]).toEqual([
    'failed',
    expect.stringContaining('Unknown dataset `sales` in collections. Allowed: nfts, '),
  ]);
});

test('long records make short batches', async () => {
  const id = ulid();
  const key = `collections/nfts/${id}/long.csv`;
  const image = `data:image/png;base64,${'A'.repeat(250_000)}`;
  const rows = Array.from({ length: 40 }, (_, tokenId) => `${tokenId},"${image}"`);
  const file = ['token_id,image_url', ...rows].join('\n');
  await putObject(process.env.IMPORTS_BUCKET!, key, file, { collection: contract(60) });
  // time for one batch
  await runMessage({ Records: [{ s3: { bucket: { name: process.env.IMPORTS_BUCKET }, object: { key } } }] }, 0);
  const { rows_read } = await jobRow(id);
  expect([rows_read > 0, rows_read < rows.length]).toEqual([true, true]);
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: rows.length });
});

test('a run that hits its deadline resumes from its checkpoint with the next message', async () => {
  const rows = Array.from({ length: 4_500 }, (_, i) => `${i},Hat,${i % 7}`);
  const jobId = ulid();
  const key = `collections/traits/${jobId}/a.csv`;
  await putObject(process.env.IMPORTS_BUCKET!, key, csv(...rows), { collection: contract(5) });
  const notice = { Records: [{ s3: { bucket: { name: process.env.IMPORTS_BUCKET }, object: { key } } }] };
  await runMessage(notice, 0);
  expect(await jobRow(jobId)).toMatchObject({ status: 'running', rows_read: 2_000 });
  const [again] = (await drain(jobsQueue.url)) as { jobId: string }[];
  expect(again).toMatchObject({ jobId, job: 'collections.import' });
  await runMessage(again);
  expect(await jobRow(jobId)).toMatchObject({ status: 'succeeded', rows_read: 4_500, rows_applied: 4_500 });
  await runMessage(again);
  expect(await jobRow(jobId)).toMatchObject({ rows_read: 4_500 });
  // SQS may deliver the notice again too
  await runMessage(notice);
  expect((await database.pool.query(`select id from platform.jobs where params ->> 'key' = $1`, [key])).rows).toEqual([
    { id: jobId },
  ]);
});

/** A sync of batches of numbers into its own table. It may fail at one of its steps. */
function numbers(name: string, failAt?: { batch: number; step: 'read' | 'apply' | 'after' }): Sync<number> {
  return {
    name,
    async *read(position) {
      for (let batch = (position as number | null) ?? 0; batch < 6; batch++) {
        if (failAt?.step === 'read' && failAt.batch === batch) throw new Error('crashed');
        yield { rows: [batch * 2, batch * 2 + 1], rejected: [], next: batch + 1 };
      }
    },
    async apply(tx, rows) {
      const { rowCount } = await tx.query(
        `insert into public.numbers select $1, n from unnest($2::int[]) as n on conflict do nothing`,
        [name, rows],
      );
      await tx.query(`select platform.announce('number_added', array['numbers:' || $1])`, [name]);
      if (failAt?.step === 'apply' && rows[0] === failAt.batch * 2) throw new Error('crashed');
      return { applied: rowCount!, unchanged: rows.length - rowCount! };
    },
  };
}
const numbersJob = defineJobs('test', {
  numbers: { summary: 'Counts.', lane: 'bulk', params: z.strictObject({ name: z.string() }) },
}).numbers;

/** A worker that has just started the job. */
async function runOf(name: string) {
  const { id: jobId } = await insertJob(numbersJob, { name }, 'test');
  const { token } = (await startJob(jobId))!;
  return { jobId, token, deadline: new Date(Date.now() + 60_000) };
}
const numberTable = database.pool.query('create table public.numbers (name text, n integer, primary key (name, n))');

test('a run that crashes anywhere and is restarted ends like one that did not', async () => {
  await numberTable;
  let runs = 0;
  const crash = fc.record({ batch: fc.nat({ max: 5 }), step: fc.constantFrom('read' as const, 'apply' as const) });
  await fc.assert(
    fc.asyncProperty(fc.array(crash, { maxLength: 4 }), async (crashes) => {
      const name = `crash-${++runs}`;
      const run = await runOf(name);
      for (const one of crashes) await runSync(numbers(name, one), run).catch(() => {});
      expect(await runSync(numbers(name), run)).toBe('done');
      const { rows } = await database.pool.query(
        `select array_agg(n order by n) as ns, (select count(*)::int from platform.outbox where entities = array['numbers:' || $1::text]) as events from public.numbers where name = $1`,
        [name],
      );
      expect(rows[0].ns).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(rows[0].events).toBeGreaterThanOrEqual(6);
      expect(await jobRow(run.jobId)).toMatchObject({ rows_applied: 12 });
    }),
    { numRuns: 30 },
  );
});

test('a second concurrent run of a sync stops', async () => {
  await numberTable;
  const run = await runOf('two');
  const lease = await takeLease('two');
  await expect(runSync(numbers('two'), run)).rejects.toMatchObject({ code: 'conflict' });
  expect((await database.pool.query(`select 1 from public.numbers where name = 'two'`)).rowCount).toBe(0);
  expect(lease.position).toBeNull();
});

test('a run whose lease was taken over can no longer write', async () => {
  await numberTable;
  const zombie = await takeLease('zombie');
  await inTransaction((tx) =>
    tx.query(`update platform.checkpoints set lease_until = now() - interval '1 second' where name = 'zombie'`),
  );
  const successor = await takeLease('zombie');
  const write = commit(async (tx) => {
    await tx.query(`insert into public.numbers values ('zombie', 1)`);
    await moveCheckpoint(tx, zombie, 1);
  });
  await expect(write).rejects.toMatchObject({ code: 'conflict' });
  expect((await database.pool.query(`select 1 from public.numbers where name = 'zombie'`)).rowCount).toBe(0);
  await inTransaction((tx) => moveCheckpoint(tx, successor, 2));
});
