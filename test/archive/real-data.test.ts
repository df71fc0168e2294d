/** Real prices of 2013 to 2021 through the archive: the same bytes before and after, and DuckDB agrees. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askArchive, openArchive } from '../../local/archive-files.ts';
import { archiveTable } from '../../shared/archive/archive.ts';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { restoreMonth } from '../../shared/archive/restore.ts';
import { packTable } from '../../shared/db/pack-months.ts';
import { createArchiveWorld, priceTable } from '../support/archive.ts';
import { replicaCaughtUp } from '../support/database.ts';
import { testS3 } from '../support/queues.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { realFile } from '../support/test-domain.ts';

const { bucket, call, database, importFile, passGrace, query } = await createArchiveWorld();
const file = await realFile('08-defi-prices/token_prices_daily.csv.gz');
const expected = JSON.parse((await realFile('08-defi-prices/expected.json'))?.toString() ?? 'null');
const now = new Date('2021-07-07T00:00:00Z');
/** With half a year, 2013 to 2020 are cold on that day. */
const table = { ...priceTable, tiers: { ...priceTable.tiers, warmDays: 180 } };
const symbols = ['BTC', 'ETH', 'UNI', 'USDC', 'SOL', 'AAVE'];

let reads = 0;
/** The bodies of all reads, past the cache. */
async function bodies(): Promise<string[]> {
  const ranges = [
    'from=2013-01-01T00:00:00Z&to=2021-07-07T00:00:00Z',
    'from=2019-01-01T00:00:00Z&to=2020-01-01T00:00:00Z',
  ];
  const found: string[] = [];
  await replicaCaughtUp(database.pool);
  forgetMarkers();
  for (const symbol of symbols)
    for (const range of ranges)
      for (const interval of ['raw', '1d'])
        for (let limit = 4_000 - reads, cursor = ''; ; ) {
          const url = `/v1/tokens/${symbol}/prices?${range}&interval=${interval}&limit=${limit}${cursor}`;
          const { status, text, json } = await call(url);
          expect(status).toBe(200);
          found.push(text);
          if (json.nextCursor === null) break;
          cursor = `&cursor=${json.nextCursor}`;
        }
  reads++;
  return found;
}

const monthRows = (month: string) =>
  query(
    `select jsonb_build_array(token_id, recorded_at, trim_scale(price_usd), trim_scale(open_usd), trim_scale(high_usd),
       trim_scale(low_usd), trim_scale(volume_usd), trim_scale(market_cap_usd), source)::text as row
     from portfolio.price_snapshots_closed($1, $1::timestamptz + interval '1 month') c
    order by token_id, recorded_at`,
    [`${month}-01T00:00:00Z`],
  );

describe.skipIf(!file || !expected)('real prices', { timeout: 300_000 }, () => {
  let before: string[];
  beforeAll(async () => {
    const job = await importFile('prices', 'token_prices_daily.csv.gz', file!);
    expect([job.status, job.rows_applied, job.rows_rejected]).toEqual(['succeeded', 7_172, 0]);
    await packTable(table, { now: new Date(), deadline: new Date(Date.now() + 60_000) });
    before = await bodies();
    expect(before.length).toBeGreaterThanOrEqual(24);
  });

  test('histories are byte-identical while they move to files, and afterwards', async () => {
    const rows = await query('select from portfolio.price_snapshots_packed');
    expect(rows.length).toBeGreaterThan(1_000);
    await archiveTable(table, { now });
    expect(await bodies()).toEqual(before);
    await passGrace();
    await archiveTable(table, { now });
    expect(await bodies()).toEqual(before);
    const left = await query(`select min(day) as first from portfolio.price_snapshots_packed`);
    expect(left[0].first.toISOString()).toBe('2021-01-01T00:00:00.000Z');
    const partitions = await query(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'portfolio.price_snapshots_packed'::regclass`,
    );
    expect(partitions.filter(({ name }) => /packed_20(1\d|20)/.test(name))).toEqual([]);
    expect((await query('select count(*)::int as months from platform.archives'))[0].months).toBe(93);
    const { headers } = await call('/v1/tokens/BTC/prices?from=2014-01-01T00:00:00Z&to=2014-02-01T00:00:00Z');
    expect(headers['x-served-by']).toContain('archive');
  });

  test('DuckDB finds the candles of each month in the files, of all months at once', async () => {
    const folder = await tempFolder('tributary-archive-test');
    afterAll(() => rm(folder, { recursive: true, force: true }));
    const duckdb = await openArchive(testS3(), bucket, folder);
    const ids = await query('select id, symbol from portfolio.tokens');
    for (const symbol of symbols) {
      const { id } = ids.find((one) => one.symbol === symbol)!;
      const { rows } = await askArchive(
        duckdb,
        `select strftime(recorded_at, '%Y-%m') as month, count(*), arg_min(open_usd, recorded_at), max(high_usd), min(low_usd),
           arg_max(price_usd, recorded_at)
         from portfolio.price_snapshots where token_id = ${id} group by 1 order by 1`,
      );
      const found = rows.map(([month, count, ...prices]) => [month, Number(count), ...prices.map(Number)]);
      const monthly = (expected.per_symbol[symbol].monthly as [string, number, ...string[]][])
        .filter(([month]) => month < '2021')
        .map(([month, count, ...prices]) => [month, count, ...prices.map(Number)]);
      expect([symbol, found]).toEqual([symbol, monthly]);
    }
    await expect(askArchive(duckdb, 'drop view portfolio.price_snapshots')).rejects.toThrow('Only SELECT');
    await expect(askArchive(duckdb, `select * from read_text('/etc/hostname')`)).rejects.toThrow();
    duckdb.closeSync();
  });

  test('a restored month is equal to what was archived, and is archived again when it is no longer held', async () => {
    const months = await query('select month::text, rows::int from platform.archives order by month desc limit 1');
    expect(months).toEqual([{ month: '2020-12-01', rows: 186 }]);
    expect(await monthRows('2020-12')).toEqual([]);
    expect(await restoreMonth(table, '2020-12-01', new Date('2021-08-01'))).toBe(186);
    const restored = await monthRows('2020-12');
    expect(restored.length).toBe(186);
    const [tiers] = await query(`select archived_until from platform.tiers where name = 'portfolio.price_snapshots'`);
    expect(tiers.archived_until.toISOString()).toBe('2020-12-01T00:00:00.000Z');
    expect(await bodies()).toEqual(before);
    await packTable(table, { now: new Date(), deadline: new Date(Date.now() + 60_000) });
    expect(await bodies()).toEqual(before);
    expect(await monthRows('2020-12')).toEqual(restored);
    await archiveTable(table, { now });
    expect(await monthRows('2020-12')).toEqual(restored);
    await archiveTable(table, { now: new Date('2021-08-02'), graceMs: 0 });
    expect(await monthRows('2020-12')).toEqual([]);
    expect(await bodies()).toEqual(before);
  });
});
