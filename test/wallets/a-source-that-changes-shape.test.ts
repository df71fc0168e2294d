import { afterEach, beforeAll, expect, test } from 'vitest';
import { storedHoldings, warehouseHoldings } from '../support/holdings.ts';
import { createWallets } from '../support/wallets.ts';

const { warehouse, runJob, importFile, database } = await createWallets({
  moments: 600,
  wallets: 40,
  editions: 20,
  scrapes: 2,
});
const { world, behavior } = warehouse;
behavior.rowsPerPartition = 200;
behavior.pollsBeforeResult = 0;
const columnsOf = (table: string) => world.tables.get(table)!.columns;
const syncs = [
  ['syncMoments', 'NFT_CORE_METADATA'],
  ['syncPrices', 'EDITION_PRICE_SCRAPE'],
  ['syncProfiles', 'WALLET_PROFILES'],
  ['syncHoldings', 'WALLET_HOLDINGS'],
] as const;
const full = (job: (typeof syncs)[number][0]) => runJob(job, { mode: 'full' });
const one = async (text: string) => (await database.pool.query(text)).rows[0];

beforeAll(async () => {
  for (const [job] of syncs) await full(job);
});
afterEach(() => {
  behavior.returned = undefined;
  behavior.renamed = {};
  behavior.change = undefined;
});

test.each([
  ['in another order', (columns: string[]) => columns.toReversed()],
  ['with one more', (columns: string[]) => ['ADDED_LATELY', ...columns]],
])('columns %s change nothing', async (_, returned) => {
  behavior.returned = returned;
  for (const [job] of syncs)
    expect([job, await full(job)]).toMatchObject([
      job,
      { status: 'succeeded', rows_applied: 0, rows_rejected: 0, result: { removed: 0 } },
    ]);
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test.each([
  [
    'is refused by the warehouse',
    () => {
      behavior.renamed = { IS_LOCKED: 'LOCKED' };
    },
    /invalid identifier 'IS_LOCKED'/,
  ],
  [
    'is missing from the result',
    () => {
      behavior.returned = (columns) => columns.filter((column) => column !== 'IS_LOCKED');
    },
    /WALLET_HOLDINGS.* IS_LOCKED/,
  ],
])('a lost column that %s fails the sync of its table with its name; the others go on', async (_, lose, message) => {
  const before = await storedHoldings(database.pool);
  lose();
  world.trade(1, 1);
  for (const [job, table] of syncs) {
    const row = await full(job);
    if (table === 'WALLET_HOLDINGS')
      expect(row).toMatchObject({
        status: 'failed',
        rows_applied: 0,
        error: { code: 'invalid_input', message: expect.stringMatching(message) },
      });
    else expect([job, row]).toMatchObject([job, { status: 'succeeded' }]);
  }
  expect(await storedHoldings(database.pool)).toEqual(before);
  behavior.returned = undefined;
  behavior.renamed = {};
  expect(await full('syncHoldings')).toMatchObject({ status: 'succeeded', rows_applied: 1 });
});

test('a column of another type is read as long as its values parse, except for times', async () => {
  const [, , , seconds] = columnsOf('WALLET_HOLDINGS').map((column) => column);
  for (const column of columnsOf('WALLET_HOLDINGS'))
    if (column.type === 'fixed' || column.type === 'boolean') column.type = 'text';
  expect(await full('syncHoldings')).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
  // days since 1970 would read as seconds
  seconds!.type = 'date';
  expect(await full('syncHoldings')).toMatchObject({
    status: 'failed',
    error: { message: expect.stringMatching(/LAST_EVENT_TS .* date/) },
  });
  seconds!.type = 'timestamp_tz';
  expect(await full('syncHoldings')).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
});

test('names that the warehouse no longer has stay as they were', async () => {
  const names = () =>
    one(`select array_agg((set_name, tier, player_name, team_name)::text order by id) as names from wallets.editions`);
  const before = await names();
  behavior.change = (table, row) =>
    table === 'NFT_CORE_METADATA' ? row.map((cell, i) => (i >= 4 && i <= 7 ? null : cell)) : row;
  expect(await full('syncMoments')).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
  expect(await names()).toEqual(before);
});

test('prices that the warehouse no longer has stay as they were', async () => {
  const prices = () =>
    one(`select array_agg(p::text order by edition_id, scraped_at) as prices from wallets.edition_price_scrape p`);
  const before = await prices();
  behavior.change = (table, row) =>
    table === 'EDITION_PRICE_SCRAPE' ? row.map((cell, i) => (i >= 3 ? null : cell)) : row;
  expect(await full('syncPrices')).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
  expect(await prices()).toEqual(before);
});

test('a file of plays with fewer columns takes nothing away', async () => {
  const play = () =>
    one(`select player_name, team_name, category, season, moment_at::text, details from wallets.plays where id = 77`);
  const header = 'play_id,FullName,TeamAtMoment,PlayCategory,NbaSeason,DateOfMoment,Height';
  await importFile('plays', 'a.csv', `${header}\n77,Ada Amsel,Ridge Foxes,Dunk,2025-26,2026-01-02T00:00:00Z,198\n`);
  const before = await play();
  expect(before).toMatchObject({ team_name: 'Ridge Foxes', details: { Height: '198' } });
  expect(await importFile('plays', 'b.csv', 'play_id,FullName\n77,Ada A. Amsel\n')).toMatchObject({ rows_applied: 1 });
  expect(await play()).toEqual({ ...before, player_name: 'Ada A. Amsel' });
});

test('a file of holdings without locks leaves the locks of the same holder', async () => {
  const [locked] = (
    await database.pool.query(`
    select nft_id::text as nft, wallets.wallet_name(wallet_address) as wallet from wallets.wallet_holdings where is_locked limit 1`)
  ).rows;
  const file = (wallet: string, at: Date) =>
    `moment_id,wallet_address,last_event_ts\n${locked.nft},${wallet},${at.toISOString()}\n`;
  const isLocked = () => one(`select is_locked from wallets.wallet_holdings where nft_id = ${locked.nft}`);
  expect(await importFile('holdings', 'h.csv', file(locked.wallet, new Date()))).toMatchObject({ status: 'succeeded' });
  expect(await isLocked()).toEqual({ is_locked: true });
  await importFile('holdings', 'h.csv', file('0x00000000000000aa', new Date(Date.now() + 60_000)));
  expect(await isLocked()).toEqual({ is_locked: false });
});
