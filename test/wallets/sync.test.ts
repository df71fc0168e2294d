import { expect, test } from 'vitest';
import { storedHoldings, warehouseHoldings } from '../support/holdings.ts';
import { createWallets } from '../support/wallets.ts';

const size = { moments: 6_000, wallets: 400, editions: 60, scrapes: 3 };
const { warehouse, runJob, call, database, outboxSize } = await createWallets(size);
warehouse.behavior.rowsPerPartition = 700;
const one = async (text: string) => (await database.pool.query(text)).rows[0];

const holdings = () => storedHoldings(database.pool);
const expected = () => warehouseHoldings(warehouse);

test('a first sync copies all rows', async () => {
  for (const [job, rows] of [
    ['syncMoments', 6_000],
    ['syncPrices', 180],
    ['syncProfiles', 200],
    ['syncHoldings', 6_000],
  ] as const) {
    expect([job, await runJob(job)]).toMatchObject([
      job,
      {
        status: 'succeeded',
        rows_read: rows,
        rows_applied: rows,
        rows_rejected: 0,
        result: { mode: 'full', removed: 0 },
      },
    ]);
  }
  expect(await holdings()).toEqual(expected());
});

test('a repeated full sync changes nothing and announces nothing', async () => {
  await runJob('refreshSnapshots');
  const before = await outboxSize();
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({
    status: 'succeeded',
    rows_applied: 0,
    rows_unchanged: 6_000,
  });
  expect(await outboxSize()).toBe(before);
});

test('an incremental sync applies the changes and reads little more', async () => {
  for (let i = 0; i < 25; i++) warehouse.world.trade(i * 7, i);
  const job = await runJob('syncHoldings');
  expect(job).toMatchObject({ status: 'succeeded', rows_applied: 25, result: { mode: 'incremental' } });
  expect(job.rows_read).toBeLessThan(200);
  expect(await holdings()).toEqual(expected());
});

test('an incremental sync finds a change that was committed late, before the watermark', async () => {
  const minutesAgo = (minutes: number) => (Date.now() - minutes * 60_000) * 1_000;
  warehouse.world.trade(1_500, 77, minutesAgo(0));
  await runJob('syncHoldings');
  warehouse.world.trade(1_501, 78, minutesAgo(12));
  expect(await runJob('syncHoldings')).toMatchObject({ rows_applied: 1, result: { mode: 'incremental' } });
  expect(await holdings()).toEqual(expected());
});

test('a full sync removes missing rows, but not if there are too many', async () => {
  for (let i = 100; i < 200; i++) warehouse.world.remove(i);
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({
    status: 'succeeded',
    result: { removed: 100 },
  });
  expect(await holdings()).toEqual(expected());
  for (let i = 200; i < 800; i++) warehouse.world.remove(i);
  const before = await holdings();
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({
    status: 'failed',
    error: { code: 'integrity', message: expect.stringContaining('600 of 5900') },
  });
  expect(await holdings()).toEqual(before);
  expect(await runJob('syncHoldings', { mode: 'full', maxRemovedShare: 0.2 })).toMatchObject({
    status: 'succeeded',
    result: { removed: 600 },
  });
  expect(await holdings()).toEqual(expected());
  expect(await one('select count(*)::int as n from wallets.missing_rows')).toEqual({ n: 0 });
});

test('a full sync keeps any number of moments that only moved', async () => {
  for (let i = 1_000; i < 3_500; i++) warehouse.world.trade(i, (i * 13) % 400);
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({
    status: 'succeeded',
    rows_applied: 2_500,
    result: { removed: 0 },
  });
  expect(await holdings()).toEqual(expected());
});

test('a full sync keeps rows that are newer than its statement', async () => {
  await database.pool.query(
    `insert into wallets.wallet_holdings (nft_id, wallet_address, last_event_ts) values (999999, '\\x0000000000000001', now() + interval '1 minute')`,
  );
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  expect(await one('select count(*)::int as n from wallets.wallet_holdings where nft_id = 999999')).toEqual({ n: 1 });
  await database.pool.query('delete from wallets.wallet_holdings where nft_id = 999999');
});

test('after all of these syncs, summaries and editions match a recount', async () => {
  await runJob('refreshSnapshots');
  expect(await runJob('rebuildSnapshots')).toMatchObject({
    status: 'succeeded',
    result: { drift: { wallets: 0, teamCounts: 0, editions: 0 } },
  });
  const wallet = warehouse.world.wallets[3]!;
  const held = expected().filter(([owner]) => owner === wallet);
  const { json, headers } = await call(`/v1/wallets/${wallet}/summary`);
  expect([json.momentsTotal, json.lockedCount, headers['x-source']]).toEqual([
    held.length,
    held.filter(([, , locked]) => locked === 'true').length,
    undefined,
  ]);
  const board = await call(`/v1/leaderboards/wallets?limit=1&wallet=${wallet}`);
  expect(board.json.wallet.value).toBe(String(held.length));
});
