import { beforeEach, expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import type { WarehouseRow } from '../../local/upstreams/moments.ts';
import { insertJob } from '../../shared/jobs/job.ts';
import { drain } from '../support/queues.ts';
import { createWallets } from '../support/wallets.ts';

const moments = 600;
const { warehouse, runJob, runMessage, jobRow, jobsQueue, importFile, database } = await createWallets({
  moments,
  wallets: 40,
  editions: 20,
  scrapes: 1,
});
const { world, behavior } = warehouse;
behavior.rowsPerPartition = 50;
behavior.pollsBeforeResult = 0;
const full = (job: keyof typeof jobs = 'syncHoldings') => runJob(job, { mode: 'full' });
const holderOf = async (nft: number): Promise<string | undefined> =>
  (
    await database.pool.query(
      `select wallets.wallet_name(wallet_address) as wallet from wallets.wallet_holdings where nft_id = $1`,
      [nft],
    )
  ).rows[0]?.wallet;
/** Imports a sale that the warehouse does not know. */
const sell = async (nft: number, buyer: string, at = new Date()) => {
  const seller = (await holderOf(nft)) ?? '0x0000000000000001';
  const lines = ['moment_id,timestamp,price,seller,buyer', `${nft},${at.toISOString()},5,${seller},${buyer}`];
  expect(await importFile('purchases', 'p.csv', lines.join('\n'))).toMatchObject({ status: 'succeeded' });
};
const change = (replace: (row: WarehouseRow, place: number) => WarehouseRow) => {
  behavior.change = (table, row, place) => (table === 'WALLET_HOLDINGS' ? replace(row, place) : row);
};
/** The first and last wallet in the order of the result, with a moment of each. */
const edges = async () => {
  const { rows } = await database.pool.query(`
    select wallets.wallet_name(wallet_address) as wallet, min(nft_id)::int as nft
    from wallets.wallet_holdings where wallet_address is not null group by wallet_address order by wallet_address`);
  return [rows[0], rows.at(-1)] as { wallet: string; nft: number }[];
};

beforeEach(async () => {
  behavior.change = undefined;
  // what the other tests sold
  await database.pool.query(`delete from wallets.wallet_holdings where last_event_ts > now() - interval '1 day'`);
  await full('syncMoments');
  expect(await full()).toMatchObject({ status: 'succeeded' });
});

test.each([
  ['before', '0x0000000000000001'],
  ['after', '0xffffffffffffffff'],
])('a moment that we know to be sold, and that the warehouse lists %s its buyer, is kept', async (_, buyer) => {
  const [first, last] = await edges();
  for (const { nft } of [first!, last!]) await sell(nft, buyer);
  expect(await full()).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  expect([await holderOf(first!.nft), await holderOf(last!.nft)]).toEqual([buyer, buyer]);
});

test('a moment that the result has twice is held as of its last event, and kept', async () => {
  const [first, last] = await edges();
  await sell(last!.nft, '0xffffffffffffffff');
  // in place of the first row: the first moment is listed nowhere
  change(([wallet, nft, ...rest], place) =>
    place === 0 ? [wallet!, String(last!.nft), 'false', '1500000000', rest[2]!] : [wallet!, nft!, ...rest],
  );
  expect(await full()).toMatchObject({ status: 'succeeded', result: { removed: 1 } });
  expect([await holderOf(first!.nft), await holderOf(last!.nft)]).toEqual([undefined, '0xffffffffffffffff']);
});

test('a rejected row keeps its moment; if the row does not say which, nothing is removed', async () => {
  const [first, last] = await edges();
  const reject = (column: number) =>
    change((row, place) =>
      place === 0 || place === moments - 1 ? row.map((cell, i) => (i === column ? null : cell)) : row,
    );
  reject(3);
  expect(await full()).toMatchObject({ status: 'succeeded', rows_rejected: 2, result: { removed: 0 } });
  expect(await holderOf(first!.nft)).toBe(first!.wallet);
  reject(1);
  expect(await full()).toMatchObject({
    status: 'failed',
    rows_rejected: 2,
    error: { message: expect.stringContaining('2 rows do not say which') },
  });
  expect([await holderOf(first!.nft), await holderOf(last!.nft)]).toEqual([first!.wallet, last!.wallet]);
});

test('a holding that changes after it was found missing is kept', async () => {
  const [first] = await edges();
  const { nft } = first!;
  change((row) => (row[1] === String(nft) ? [row[0]!, '700000', ...row.slice(2)] : row));
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full', maxRemovedShare: 0.05 }, 'test');
  // as if its last event were long past, so that a later one can still be older than the statement
  await database.pool.query(`update wallets.wallet_holdings set last_event_ts = '2020-01-01Z' where nft_id = $1`, [
    nft,
  ]);
  await database.pool.query(`
    create function public.hold_removal() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(4711); return null; end $$;
    create trigger hold_removal after insert on wallets.missing_rows for each statement execute function public.hold_removal();`);
  const client = await database.pool.connect();
  await client.query('select pg_advisory_lock(4711)');
  const running = runMessage({ job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' });
  const waiting = async () =>
    (await client.query(`select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`)).rowCount;
  await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
  await sell(nft, '0x00000000000000aa', new Date('2021-01-01'));
  await client.query('select pg_advisory_unlock(4711)');
  client.release();
  await running;
  await database.pool.query('drop function public.hold_removal cascade');
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  expect(await holderOf(nft)).toBe('0x00000000000000aa');
});

test('a moment of which only we know, later than anything in the warehouse, is kept', async () => {
  await sell(800_000, '0x00000000000000bb');
  expect(await full()).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  expect(await holderOf(800_000)).toBe('0x00000000000000bb');
  await database.pool.query(`update wallets.wallet_holdings set last_event_ts = '2020-01-01Z' where nft_id = 800000`);
  expect(await full()).toMatchObject({ status: 'succeeded', result: { removed: 1 } });
});

test('sales after the statement, however many, do not pass for missing rows', async () => {
  const lines = Array.from({ length: moments / 10 }, (_, i) => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    return `${810_000 + i},${at},5,0x0000000000000001,0x00000000000000cc`;
  });
  const file = ['moment_id,timestamp,price,seller,buyer', ...lines].join('\n');
  expect(await importFile('purchases', 'later.csv', file)).toMatchObject({ status: 'succeeded' });
  expect(await full()).toMatchObject({ status: 'succeeded', result: { removed: 0 } });
  expect(await holderOf(810_000)).toBe('0x00000000000000cc');
});

test('a result that is read twice, because it had expired, decides by its second reading', async () => {
  const [first] = await edges();
  const { nft } = first!;
  const { id } = await insertJob(jobs.syncHoldings, { mode: 'full', maxRemovedShare: 0.05 }, 'test');
  const message = { job: 'wallets.syncHoldings', jobId: id, params: { mode: 'full' }, requestedBy: 'test' };
  await runMessage(message, 0);
  await drain(jobsQueue.url);
  change((row) => (row[1] === String(nft) ? [row[0]!, '700001', ...row.slice(2)] : row));
  warehouse.forget();
  await runMessage(message);
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', result: { removed: 1 } });
  expect(await holderOf(nft)).toBeUndefined();
});

test('moments and profiles are removed if their keys are nowhere in the result', async () => {
  await full('syncProfiles');
  await database.pool.query(`
    insert into wallets.wallet_profiles (wallet_address, display_name)
    values ('\\x0000000000000000', 'gone'), ('\\xffffffffffffffff', 'gone too')`);
  await database.pool.query(
    `insert into wallets.nft_core_metadata select 900000 + i, (select min(id) from wallets.editions), i from generate_series(1, 3) i`,
  );
  expect(await runJob('syncProfiles', { mode: 'full', maxRemovedShare: 0.2 })).toMatchObject({
    status: 'succeeded',
    result: { removed: 2 },
  });
  expect(await full('syncMoments')).toMatchObject({ status: 'succeeded', result: { removed: 3 } });
  const { rows } = await database.pool.query(`
    select (select count(*)::int from wallets.wallet_profiles) as profiles, (select count(*)::int from wallets.nft_core_metadata) as moments,
      (select count(*)::int from wallets.missing_rows) as noted`);
  expect(rows).toEqual([{ profiles: world.wallets.length / 2, moments, noted: 0 }]);
});
