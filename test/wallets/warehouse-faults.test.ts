import { afterEach, expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { warehouseTime } from '../../functions/wallets/warehouse-values.ts';
import { cancelJob, insertJob } from '../../shared/jobs/job.ts';
import { storedHoldings, warehouseHoldings } from '../support/holdings.ts';
import { drain } from '../support/queues.ts';
import { openGate } from '../support/upstreams.ts';
import { createWallets } from '../support/wallets.ts';

const size = { moments: 3_000, wallets: 200, editions: 30, scrapes: 1 };
const { warehouse, database, jobsQueue, runJob, runMessage, jobRow } = await createWallets(size);
warehouse.behavior.rowsPerPartition = 500;
warehouse.behavior.pollsBeforeResult = 0;
const full = (job: keyof typeof jobs = 'syncHoldings') => runJob(job, { mode: 'full' });
const rejectedOf = async (id: string) =>
  (
    await database.pool.query('select position::int, reason from platform.rejected_rows where job_id = $1 order by 1', [
      id,
    ])
  ).rows;
/** Expires the leases, so that a postponed message is due. */
const expireLeases = () => database.pool.query('update platform.jobs set lease_until = null');
afterEach(() => {
  warehouse.faults.set(undefined);
  warehouse.behavior.change = undefined;
  warehouse.behavior.renamed = {};
});
/** Changes one cell of each row at the given places. */
const changeCell = (places: (place: number) => boolean, column: number, value: string | null) => {
  warehouse.behavior.change = (_, row, place) =>
    places(place) ? row.map((cell, i) => (i === column ? value : cell)) : row;
};

test.each(['rate-limited', 'server-error', 'truncated'] as const)('%s responses are requested again', async (kind) => {
  for (const count of [1, 2, 3, 4]) {
    warehouse.world.trade(count, count);
    warehouse.faults.set({ kind, count, retryAfterSeconds: 0 });
    expect([count, await full()]).toMatchObject([count, { status: 'succeeded', rows_read: 3_000, rows_rejected: 0 }]);
    expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
  }
});

test('while the warehouse does not respond, nothing changes and the job stays running', async () => {
  const before = await storedHoldings(database.pool);
  warehouse.world.trade(5, 50);
  warehouse.faults.set({ kind: 'server-error', count: 10_000 });
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full' }, 'test');
  const message = { job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' };
  await runMessage(message);
  expect([await jobRow(id), await storedHoldings(database.pool)]).toMatchObject([
    { status: 'running', error: { code: 'upstream' } },
    before,
  ]);
  warehouse.faults.set(undefined);
  await expireLeases();
  await runMessage(message);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
}, 60_000);

test('a row with NULL in a required column is rejected with a reason', async () => {
  changeCell((place) => place === 7 || place === 1_234, 2, null);
  const job = await full();
  expect(job).toMatchObject({ status: 'succeeded', rows_rejected: 2, result: { removed: 0 } });
  expect(await rejectedOf(job.id)).toEqual([
    { position: 8, reason: expect.stringContaining('IS_LOCKED') },
    { position: 1_235, reason: expect.stringContaining('IS_LOCKED') },
  ]);
});

test('too many bad rows fail the run, and the watermark does not move', async () => {
  const watermark = async () =>
    (await database.pool.query(`select * from platform.watermarks where name = 'wallets.WALLET_HOLDINGS'`)).rows;
  const before = await watermark();
  for (let i = 0; i < 50; i++) warehouse.world.trade(i, 60 + i);
  changeCell(() => true, 0, '0xnonsense');
  expect(await runJob('syncHoldings')).toMatchObject({
    status: 'failed',
    rows_applied: 0,
    error: { code: 'integrity' },
  });
  expect(await watermark()).toEqual(before);
  warehouse.behavior.change = undefined;
  expect(await runJob('syncHoldings')).toMatchObject({ status: 'succeeded', rows_applied: 50 });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('integers beyond 2^53 stay exact, and those from 2^63 are rejected', async () => {
  const ids = ['9007199254740993', '9223372036854775807', '9223372036854775808', '18446744073709551615', '1.5'];
  warehouse.world.trade(0, 0);
  warehouse.behavior.change = (table, row, place) =>
    table === 'NFT_CORE_METADATA' && place >= 2_995
      ? row.map((cell, i) => (i === 0 ? ids[place - 2_995]! : cell))
      : row;
  const job = await runJob('syncMoments', { mode: 'incremental' });
  expect(job).toMatchObject({ status: 'succeeded', rows_applied: 2_997, rows_rejected: 3 });
  expect((await rejectedOf(job.id)).map(({ reason }) => reason)).toEqual([
    'NFT_ID must be below 2^63',
    'NFT_ID must be a whole number from 0 to 2^63 - 1',
    'NFT_ID must be a whole number from 0 to 2^63 - 1',
  ]);
  const { rows } = await database.pool.query(
    'select nft_id::text as id from wallets.nft_core_metadata order by nft_id desc limit 2',
  );
  expect(rows.map(({ id }) => id)).toEqual(['9223372036854775807', '9007199254740993']);
});

test('parses timestamps of any precision', () => {
  for (const [cell, micros] of [
    ['1613864607', 1_613_864_607_000_000n],
    ['1613864607.1', 1_613_864_607_100_000n],
    ['1613864607.123456', 1_613_864_607_123_456n],
    ['1613864607.123456789', 1_613_864_607_123_456n],
    ['1613864607.000000001 1440', 1_613_864_607_000_000n],
    ['0', 0n],
    ['-1.000000001', -1_000_001n],
  ] as const)
    expect([cell, warehouseTime.parse(cell)]).toEqual([cell, micros]);
  for (const cell of ['2021-02-20', '-62135596801', ''])
    expect([cell, warehouseTime.safeParse(cell).success]).toEqual([cell, false]);
});

test('a long run continues over many messages with one statement', async () => {
  for (let i = 0; i < 100; i++) warehouse.world.trade(i * 20, i);
  const { statements } = warehouse.counts;
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full' }, 'test');
  let message: object | undefined = {
    job: 'wallets.syncHoldings',
    jobId: id,
    params: { mode: 'full' },
    requestedBy: 'test',
  };
  let messages = 0;
  while (message) {
    await runMessage(message, 0);
    messages++;
    [message] = (await drain(jobsQueue.url)) as object[];
  }
  expect([messages > 6, warehouse.counts.statements - statements]).toEqual([true, 1]);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_read: 3_000, rows_applied: 100 });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('a run does not continue the statement of another run', async () => {
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'incremental' }, 'test');
  for (let i = 0; i < 600; i++) warehouse.world.trade(i, (i * 3) % 200);
  await runMessage({ job: 'wallets.syncHoldings', jobId: id, params: { mode: 'incremental' }, requestedBy: 'test' }, 0);
  await drain(jobsQueue.url);
  // only its first batch is committed
  expect(await jobRow(id)).toMatchObject({ status: 'running', rows_read: 500 });
  await cancelJob(id, 'test');
  expect(await full()).toMatchObject({ status: 'succeeded', rows_read: 3_000, result: { mode: 'full', removed: 0 } });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('the next message finds the result of a slow statement', async () => {
  const { statements } = warehouse.counts;
  warehouse.behavior.pollsBeforeResult = 3;
  warehouse.world.trade(9, 99);
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full' }, 'slow');
  const message = { job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' };
  await runMessage(message, 0);
  expect(await jobRow(id)).toMatchObject({ status: 'running', rows_read: 0 });
  await expireLeases();
  await runMessage(message);
  warehouse.behavior.pollsBeforeResult = 0;
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect(warehouse.counts.statements - statements).toBe(1);
});

test('a statement whose result has expired is executed again', async () => {
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full' }, 'test');
  const message = { job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' };
  await runMessage(message, 0);
  await drain(jobsQueue.url);
  warehouse.world.trade(3, 150);
  warehouse.forget();
  await runMessage(message);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('a sync that lost its lease writes nothing more', async () => {
  for (let i = 0; i < 20; i++) warehouse.world.trade(i * 100, 199 - i);
  const before = await storedHoldings(database.pool);
  const takeover = (async () => {
    for (;;) {
      const { rowCount } = await database.pool.query(
        `update platform.checkpoints set lease_token = gen_random_uuid() where name = 'wallets.WALLET_HOLDINGS'`,
      );
      if (rowCount === 1) return;
    }
  })();
  const job = await full();
  await takeover;
  expect(job).toMatchObject({ status: 'running', rows_applied: 0, error: { code: 'conflict' } });
  expect(await storedHoldings(database.pool)).toEqual(before);
  await database.pool.query('delete from platform.checkpoints');
  await database.pool.query(`update platform.jobs set status = 'cancelled' where status = 'running'`);
  expect(await full()).toMatchObject({ status: 'succeeded', rows_applied: 20 });
});

test('a key that Snowflake does not know fails with its error message', async () => {
  const { createSnowflake } = await import('../../functions/wallets/sources/snowflake.ts');
  const { snowflake } = await import('../../functions/upstreams/snowflake.ts');
  const { createExpect } = await import('../../shared/upstream/client.ts');
  const { createRequest } = await import('../../shared/upstream/request.ts');
  const { generateKeyPairSync } = await import('node:crypto');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const client = createSnowflake({
    baseUrl: warehouse.url,
    credentials: async () =>
      ({ ...warehouse.secret, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) }) as never,
    request: createRequest(snowflake, openGate),
    expect: createExpect('snowflake', openGate),
  });
  await expect(
    client.run({ text: 'SELECT 1', bindings: [], requestId: 'x' }, new Date(Date.now() + 5_000)),
  ).rejects.toMatchObject({
    code: 'invalid_input',
    message: 'snowflake statements: rejected with 401: 390144: JWT token is invalid.',
  });
});
