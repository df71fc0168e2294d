import { beforeEach, expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { cancelJob, insertJob } from '../../shared/jobs/job.ts';
import { drain } from '../support/queues.ts';
import { createWallets } from '../support/wallets.ts';

const moments = 600;
const { warehouse, runJob, runMessage, importFile, database, jobsQueue } = await createWallets({
  moments,
  wallets: 40,
  editions: 20,
  scrapes: 5,
});
const { world, behavior } = warehouse;
behavior.rowsPerPartition = 100;
behavior.pollsBeforeResult = 0;
const watermark = async (table = 'WALLET_HOLDINGS'): Promise<Date | undefined> =>
  (await database.pool.query('select complete_to from platform.watermarks where name = $1', [`wallets.${table}`]))
    .rows[0]?.complete_to;
const rejectedOf = async (id: string) =>
  (await database.pool.query('select position::int, reason from platform.rejected_rows where job_id = $1', [id])).rows;
const year2100 = '4102444800.000000';
/** Dates a column of the row at a place. */
const date = (table: string, column: number, at: string) => {
  behavior.change = (name, row, place) =>
    name === table && place === 7 ? row.map((cell, i) => (i === column ? at : cell)) : row;
};
let trades = 0;
/** Trades five moments now, and returns how many holdings the next incremental sync changes. */
const changesFound = async () => {
  for (let i = 0; i < 5; i++, trades++) world.trade(100 + (trades % 400), trades % 40);
  const job = await runJob('syncHoldings');
  expect(job).toMatchObject({ status: 'succeeded', result: { mode: 'incremental' } });
  return job.rows_applied;
};

beforeEach(async () => {
  behavior.change = undefined;
  await database.pool.query('delete from platform.watermarks');
  await runJob('syncHoldings', { mode: 'full' });
});

test.each([
  ['its change', 4, 'UPDATED_AT'],
  ['its last event', 3, 'LAST_EVENT_TS'],
])('a row that dates %s to 2100 is rejected, and the syncs after it find every change', async (_, column, name) => {
  world.trade(0, 1);
  date('WALLET_HOLDINGS', column, year2100);
  const job = await runJob('syncHoldings', { mode: 'full' });
  expect(job).toMatchObject({ status: 'succeeded', rows_rejected: 1, result: { removed: 0 } });
  expect(await rejectedOf(job.id)).toEqual([
    { position: 8, reason: expect.stringMatching(`^${name} must not be more than a day after`) },
  ]);
  behavior.change = undefined;
  expect((await watermark())!.getTime()).toBeLessThanOrEqual(Date.now());
  expect(await changesFound()).toBe(5);
});

test('a row dated a few hours ahead counts, but the watermark stays at the time of the result', async () => {
  date('WALLET_HOLDINGS', 4, String(Date.now() / 1_000 + 5 * 3_600));
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
  behavior.change = undefined;
  expect((await watermark())!.getTime()).toBeLessThanOrEqual(Date.now());
  expect(await changesFound()).toBe(5);
});

test('a watermark that an earlier version set in the future is not believed, and is replaced', async () => {
  await database.pool.query(`update platform.watermarks set complete_to = '2100-01-01Z'`);
  world.trade(50, 3);
  expect(await runJob('syncHoldings')).toMatchObject({
    status: 'succeeded',
    rows_applied: 1,
    result: { mode: 'full' },
  });
  expect((await watermark())!.getTime()).toBeLessThanOrEqual(Date.now());
  expect(await changesFound()).toBe(5);
});

test('a run that stops half-way leaves the watermark where it was', async () => {
  const before = await watermark();
  for (let i = 0; i < 300; i++) world.trade(i, i % 40);
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'incremental', maxRemovedShare: 0.05 }, 'test');
  await runMessage({ job: 'wallets.syncHoldings', jobId: id, params: {}, requestedBy: 'test' }, 0);
  await drain(jobsQueue.url);
  await cancelJob(id, 'test');
  expect(await watermark()).toEqual(before);
  expect(await runJob('syncHoldings')).toMatchObject({ status: 'succeeded', rows_applied: 200 });
});

test('prices and moments dated to 2100 are rejected too', async () => {
  await runJob('syncMoments', { mode: 'full' });
  date('EDITION_PRICE_SCRAPE', 2, year2100);
  const prices = await runJob('syncPrices', { mode: 'full' });
  expect(prices).toMatchObject({ status: 'succeeded', rows_read: 100, rows_rejected: 1 });
  date('NFT_CORE_METADATA', 8, year2100);
  expect(await runJob('syncMoments', { mode: 'full' })).toMatchObject({ status: 'succeeded', rows_rejected: 1 });
  const { rows } = await database.pool.query(
    `select (select max(scraped_at) < now() from wallets.edition_prices) as priced, (select count(*)::int from platform.watermarks where complete_to > now()) as ahead`,
  );
  expect(rows).toEqual([{ priced: true, ahead: 0 }]);
});

test.each([
  ['holdings', 'moment_id,wallet_address,last_event_ts', ['0x00000000000000aa']],
  ['purchases', 'moment_id,seller,timestamp,price', ['0x00000000000000aa']],
  ['prices', 'edition_id,floor_usd,snapshot_at', ['5']],
])('a file of %s cannot date an event more than a day ahead', async (dataset, header, values) => {
  const row = (i: number, at: string) =>
    [dataset === 'prices' ? `1-${i}` : i, ...values, at, ...(dataset === 'purchases' ? ['5'] : [])].join(',');
  const lines = Array.from({ length: 200 }, (_, i) => row(i + 1, '2026-01-01T00:00:00Z'));
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const job = await importFile(
    dataset,
    'f.csv',
    [header, ...lines, row(301, inHours(23)), row(302, inHours(25))].join('\n'),
  );
  expect(job).toMatchObject({ status: 'succeeded', rows_read: 202, rows_rejected: 1 });
  expect(await rejectedOf(job.id)).toEqual([
    { position: 203, reason: expect.stringContaining('must not be more than a day ahead') },
  ]);
});
