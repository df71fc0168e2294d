import { expect, test } from 'vitest';
import * as z from 'zod';
import { jobs } from '../../functions/wallets/jobs.ts';
import { defineWarehouseTable, planSync } from '../../functions/wallets/warehouse-table.ts';
import { warehouseTime } from '../../functions/wallets/warehouse-values.ts';
import { insertJob } from '../../shared/jobs/job.ts';
import { drain } from '../support/queues.ts';
import { createWallets } from '../support/wallets.ts';

const moments = 1_200;
const { warehouse, database, jobsQueue, runJob, runMessage, jobRow } = await createWallets({
  moments,
  wallets: 100,
  editions: 20,
  scrapes: 1,
});
warehouse.behavior.rowsPerPartition = 500;
warehouse.behavior.pollsBeforeResult = 0;
const { pool } = database;
const fullSync = () => runJob('syncHoldings', { mode: 'full' });

test('a sync in many short runs leaves the watermark at the latest change', async () => {
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full', maxRemovedShare: 0.05 }, 'test');
  let messages: unknown[] = [{ job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' }];
  for (; messages.length > 0; messages = await drain(jobsQueue.url)) await runMessage(messages[0], 0);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: moments });
  const { rows } = await pool.query(`select from platform.watermarks where name = 'wallets.WALLET_HOLDINGS'`);
  expect(rows).toHaveLength(1);
  expect((await runJob('syncHoldings')).result).toMatchObject({ mode: 'incremental' });
});

test('a full sync removes rows before the first and after the last row of the warehouse too', async () => {
  await pool.query(`
    insert into wallets.wallet_holdings (nft_id, wallet_address, last_event_ts)
    values (777777, '\\x0000000000000000', '2020-01-01Z'), (888888, '\\xffffffffffffffff', '2020-01-01Z')`);
  expect(await fullSync()).toMatchObject({ status: 'succeeded', result: { removed: 2 } });
  const { rows } = await pool.query('select count(*)::int as n from wallets.wallet_holdings');
  expect(rows).toEqual([{ n: moments }]);
});

test('what an ended run noted as missing is forgotten', async () => {
  await pool.query(`insert into wallets.missing_rows (run, key, stored) values ('an ended run', '1', '')`);
  await pool.query(`insert into wallets.seen_rows (run, keys) values ('an ended run', '{1}')`);
  expect(await fullSync()).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  for (const table of ['missing_rows', 'seen_rows'])
    expect([table, (await pool.query(`select from wallets.${table}`)).rowCount]).toEqual([table, 0]);
});

test('wallets are read in lower case, and sorted so', () => {
  const table = defineWarehouseTable({
    name: 'HATS',
    row: z.strictObject({ WALLET_ADDRESS: z.string(), SIZE: z.string(), UPDATED_AT: warehouseTime }),
    changedAt: 'UPDATED_AT',
    orderBy: '1, 2',
    record: async () => ({ applied: 0, unchanged: 0 }),
  });
  const selected = 'SELECT LOWER(WALLET_ADDRESS) AS WALLET_ADDRESS, SIZE, UPDATED_AT FROM HATS';
  expect(planSync(table, undefined, 0.05).statement).toMatchObject({ text: `${selected} ORDER BY 1, 2`, bindings: [] });
  expect(planSync(table, new Date('2026-01-02T03:04:05.678Z'), 0.05).statement).toMatchObject({
    text: `${selected} WHERE UPDATED_AT >= TO_TIMESTAMP_NTZ(?) ORDER BY 1, 2`,
    bindings: ['2026-01-02T03:04:05.678'],
  });
});

test('an empty warehouse removes nothing, and fails the sync', async () => {
  for (let i = 0; i < moments; i++) warehouse.world.remove(i);
  expect(await fullSync()).toMatchObject({
    status: 'failed',
    error: { code: 'integrity', message: expect.stringContaining(`${moments} of ${moments} rows are missing`) },
  });
  const { rows } = await pool.query('select count(*)::int as n from wallets.wallet_holdings');
  expect(rows).toEqual([{ n: moments }]);
});
