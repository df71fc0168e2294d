import { beforeAll, describe, expect, test } from 'vitest';
import { createTestDomain, type JobRow, realFile } from '../support/test-domain.ts';

const { call, importFile, runMessage, drainJobs, outboxSize, database } = await createTestDomain('wallets');
const expected = JSON.parse((await realFile('06-topshot/expected.json'))?.toString() ?? 'null');

const files: [dataset: string, file: string, rows: number, applied: number][] = [
  ['moments', 'moments.csv.gz', 189_238, 189_235],
  ['plays', 'plays.csv.gz', 648, 648],
  ['sets', 'sets.csv.gz', 33, 33],
  ['set_tiers', 'set_tiers.csv.gz', 21, 21],
  ['prices', 'player_price_snapshots.csv.gz', 24_017, 24_017],
  ['purchases', 'purchases.csv.gz', 9_096, 9_096],
];
/** A run ends after some seconds, and asks for the next one. */
const refresh = async () => {
  await runMessage({ job: 'wallets.refreshSnapshots', requestedBy: 'test' });
  await drainJobs();
};
const importReal = async (dataset: string, file: string) =>
  importFile(dataset, file, (await realFile(`06-topshot/${file}`))!);
const rows = async (text: string) => (await database.pool.query(text)).rows;

// the data is not part of the project and has to be next to the checkout
describe.skipIf(!expected)('imported real data', () => {
  let first: JobRow[];
  beforeAll(async () => {
    first = [];
    for (const [dataset, file] of files) first.push(await importReal(dataset, file));
    await refresh();
  });

  test('every row is applied, and repeated moments only once', () => {
    expect(first.map((job) => [job.status, job.rows_read, job.rows_applied, job.rows_rejected])).toEqual(
      files.map(([, , read, applied]) => ['succeeded', read, applied, 0]),
    );
  });

  test('counts moments per set and moments without a play', async () => {
    const { json } = await call('/v1/editions?limit=1');
    expect(json.editions.length).toBe(1);
    const bySet = await rows(`
      select e.set_id, e.set_name, sum(s.supply)::int as moments
      from wallets.editions_snapshot s join wallets.editions e on e.id = s.edition_id group by 1, 2 order by 1`);
    // expected.json counts rows, three of which repeat a moment
    const repeated: Record<number, number> = { 26: 2, 32: 1 };
    expect(bySet.map((one) => [one.set_id, one.set_name, one.moments + (repeated[one.set_id] ?? 0)])).toEqual(
      expected.moments.per_set,
    );
    const [without] = await rows(`
      select (select count(*)::int from wallets.editions) as editions,
        sum(s.supply)::int as moments from wallets.editions_snapshot s join wallets.editions e on e.id = s.edition_id
      where e.player_name is null`);
    expect(without).toEqual({
      editions: expected.moments.editions_set_play,
      moments: expected.moments.moments_without_play,
    });
    const filters = await call('/v1/explorer/filters');
    const sum = filters.json.sets.reduce((all: number, one: { moments: number }) => all + one.moments, 0);
    expect(sum).toBe(expected.moments.distinct_moment_ids);
    expect(filters.json.teams.length).toBe(31);
  });

  test('counts sales, and keeps uint64 seller ids exact', async () => {
    const [sales] = await rows(`
      select count(*)::int as distinct_events, count(distinct nft_id)::int as distinct_moments,
        sum(price_usd)::text as sum_price, min(price_usd)::float as min, max(price_usd)::float as max,
        (select count(*)::int from (select from wallets.purchases group by nft_id having count(*) > 1) as s) as several
      from wallets.purchases`);
    const { distinct_events, distinct_moments, sum_price, min_max_price, moments_sold_several_times } =
      expected.purchases;
    expect({ ...sales, sum_price: Number(sales.sum_price) }).toEqual({
      distinct_events,
      distinct_moments,
      sum_price: Number(sum_price),
      min: min_max_price[0],
      max: min_max_price[1],
      several: moments_sold_several_times,
    });
    const sellers = await rows(
      `select encode(seller, 'hex') as seller, count(*)::int as n from wallets.purchases group by 1`,
    );
    const counts = new Map(sellers.map(({ seller, n }) => [BigInt(`0x${seller}`).toString(), n]));
    for (const [seller, count] of expected.purchases.top10_sellers)
      expect([seller, counts.get(seller)]).toEqual([seller, count]);
    const hours = await rows(`
      select to_char(date_trunc('hour', purchased_at at time zone 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as hour, count(*)::int as n
      from wallets.purchases group by 1 order by 1`);
    expect(hours.map(({ hour, n }) => [hour, n])).toEqual(expected.purchases.per_hour);
    const [known] = await rows(`
      select count(distinct p.nft_id)::int as moments, count(*)::int as sales,
        (select sum(sale_count)::int from wallets.editions_snapshot) as counted
      from wallets.purchases p join wallets.nft_core_metadata m on m.nft_id = p.nft_id`);
    expect(known.moments).toBe(expected.moments.purchases_with_moment_metadata);
    expect(known.counted).toBe(known.sales);
  });

  test('stores the prices of players, and returns them for editions without their own', async () => {
    const [all] = await rows(`
      select count(distinct player_name)::int as players, count(distinct scraped_at)::int as snapshots from wallets.player_price_scrape`);
    expect(all).toEqual({ players: expected.player_prices.players, snapshots: expected.player_prices.snapshots });
    for (const [player, count, least, most] of expected.player_prices.top20_players) {
      const [found] = await rows(`
        select count(*)::int as n, min(median_sale_usd * 100)::int as least, max(median_sale_usd * 100)::int as most
        from wallets.player_price_scrape where player_name = '${player.replaceAll("'", "''")}'`);
      expect([player, found.n, found.least, found.most]).toEqual([player, count, least, most]);
    }
    const { json } = await call('/v1/editions?player=LeBron+James&limit=1');
    const history = await call(`/v1/editions/${json.editions[0].id}/price-history?limit=60`);
    expect([history.json.scope, history.json.prices.length]).toEqual(['player', 60]);
    const rest = await call(
      `/v1/editions/${json.editions[0].id}/price-history?limit=60&cursor=${history.json.nextCursor}`,
    );
    expect(rest.json.prices.length).toBe(29);
  });

  test('malformed rows of the raw file are rejected with a reason, and the others change nothing', async () => {
    const job = await importReal('plays', 'plays_raw.csv.gz');
    expect(job).toMatchObject({
      status: 'failed',
      rows_read: 782,
      rows_applied: 0,
      rows_unchanged: 648,
      rows_rejected: 134,
    });
    expect(job.error?.message).toContain('134 of 782 rows were rejected');
    const rejected = await rows(`select reason, data from platform.rejected_rows where job_id = '${job.id}'`);
    expect(new Set(rejected.map(({ reason }) => reason))).toEqual(new Set(['has 28 fields; the header has 26']));
    expect(rejected.every(({ data }) => typeof data[1] === 'string' && data[1].length > 3)).toBe(true);
  });

  test('sales delivered again change nothing and announce nothing', async () => {
    const before = [await outboxSize(), await rows('select * from wallets.wallet_holdings order by 1')];
    const again = await importReal('purchases', 'purchases_redelivered.csv.gz');
    expect(again).toMatchObject({ status: 'succeeded', rows_read: 29_623, rows_applied: 0, rows_unchanged: 29_623 });
    expect([await outboxSize(), await rows('select * from wallets.wallet_holdings order by 1')]).toEqual(before);
  });
});
