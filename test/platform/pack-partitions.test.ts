import type { Context } from 'aws-lambda';
import sql from 'sql-template-tag';
import { expect, test } from 'vitest';
import { handler } from '../../functions/platform/pack-partitions.ts';
import { domains } from '../../functions/registry.ts';
import { withoutFiles } from '../../shared/archive/archived.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const run = (remainingMs = 900_000) => handler({}, { getRemainingTimeInMillis: () => remainingMs } as Context);
const table = 'portfolio.price_snapshots';

/** As if the schedule had not run for three months. */
async function age(): Promise<void> {
  await pool.query(`
    update platform.tiers set closed_until = date_trunc('month', now(), 'UTC') - interval '3 months',
      packed_until = date_trunc('month', now(), 'UTC') - interval '3 months';
    do $$ begin
      for back in 1..3 loop
        execute format('create table ${table}_past%s partition of ${table} for values from (%L) to (%L)', back,
          date_trunc('month', now(), 'UTC') - back * interval '1 month', date_trunc('month', now(), 'UTC') - (back - 1) * interval '1 month');
      end loop;
    end $$`);
}

test('months that are no longer hot are packed, late rows merged, and no event announces it', async () => {
  await age();
  await pool.query(`
    insert into portfolio.tokens (symbol) values ('BTC'), ('ETH');
    insert into ${table} (token_id, recorded_at, price_usd, source)
    select t, date_trunc('milliseconds', now() - n * interval '1 day'), n * 1.25, 'import' from generate_series(1, 85) as n, generate_series(1, 2) as t
    where now() - n * interval '1 day' >= date_trunc('month', now(), 'UTC') - interval '3 months';
    insert into ${table}_late (token_id, recorded_at, price_usd, source)
    select 1, timestamptz '2015-01-01Z' + n * interval '1 month', n, 'import' from generate_series(1, 60) as n`);
  const all = `select count(*)::int as rows, sum(price_usd)::text as sum
    from ${table}_rows('{1,2}', '-infinity', 'infinity', '-infinity')`;
  const before = (await pool.query(all)).rows;
  const { rows: events } = await pool.query('select count(*) from platform.outbox');
  const report = await run();
  expect(report.map((one) => one.table).toSorted()).toEqual(
    tieredTablesOf(domains)
      .map(({ schema, name }) => `${schema}.${name}`)
      .toSorted(),
  );
  const prices = report.find((one) => one.table === table)!;
  expect(prices.mergedRows).toBe(60);
  expect(prices.months.length).toBeGreaterThanOrEqual(1);
  expect((await pool.query(all)).rows).toEqual(before);
  expect((await pool.query('select count(*) from platform.outbox')).rows).toEqual(events);
  const late = await pool.query(`select from ${table}_late`);
  expect(late.rowCount).toBe(0);
  const packed = await pool.query(`select sum(cardinality(offsets))::int as rows from ${table}_packed`);
  expect(packed.rows[0].rows).toBeGreaterThan(60);
});

test('a run without time does nothing, and one table that fails keeps no other from its run', async () => {
  expect(await run(100_000)).toMatchObject([{ months: [], mergedRows: 0 }, {}, {}]);
  await pool.query(`insert into ${table}_late (token_id, recorded_at, price_usd, source) values (1, '2015-01-01Z', 1, 'import');
    alter table ${table}_packed rename to elsewhere`);
  await pool.query(`insert into portfolio.wallets (address) values (decode(repeat('ab', 20), 'hex'));
    insert into portfolio.portfolio_snapshots_late values (1, '2020-01-01Z', 5, 1, 0)`);
  await expect(run()).rejects.toThrow(/price_snapshots_packed/);
  await pool.query(`alter table portfolio.elsewhere rename to price_snapshots_packed`);
  expect((await pool.query('select from portfolio.portfolio_snapshots_late')).rowCount).toBe(0);
});

test('the statements of reads see the bounds of the tiers', async () => {
  const { all } = withoutFiles([
    {
      table,
      series: sql`select id from portfolio.tokens where symbol = 'BTC'`,
      since: new Date('2015-03-01Z'),
      until: new Date('2015-04-01Z'),
    },
  ])(table);
  const { text, values } = sql`explain (analyze, costs off, timing off) select * from ${all} as r`;
  const { rows } = await pool.query(text, values);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/price_snapshots_packed_201503/);
  expect(plan).not.toMatch(/Function Scan on price_snapshots_rows|packed_201504|packed_201502/);
});
