/**
 * Time series in tiers, at 1 and 5 million prices of 100 tokens, every five minutes: inserting through partitions, space and
 * reads hot and packed, the speed of packing and of merging late rows, and how long writers wait while a filled table is
 * converted to partitions.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { portfolio } from '../functions/portfolio/domain.ts';
import { startSecrets } from '../local/secrets.ts';
import { packTable } from '../shared/db/pack-months.ts';
import { createPartitions } from '../shared/db/partitions.ts';
import { closePools } from '../shared/db/pools.ts';
import { partitionedTablesOf, tieredTablesOf } from '../shared/kernel/domain.ts';
import { benchConversion } from './conversion.ts';
import { median, spread, startBenchDatabase, timeMs } from './world.ts';

const sizes = [1_000_000, 5_000_000];
const tokens = 100;
const rounds = 9;
const batchRows = 5_000;
const name = 'portfolio.price_snapshots';
const end = Date.UTC(2026, 10, 1);
const stepMs = 300_000;

/** `npm run bench -- timeseries` */
export async function benchTimeseries(): Promise<void> {
  const database = await startBenchDatabase();
  const secrets = await startSecrets(new Map([['owner', { username: 'owner', password: 'owner' }]]));
  Object.assign(process.env, {
    ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' },
    ...{ AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url, LOG_LEVEL: 'SILENT', SERVICE: 'bench' },
    ...{ DATABASE_WRITER_HOST: database.writer, DATABASE_NAME: 'postgres', DATABASE_TLS: 'off' },
    ...{ DATABASE_WRITE_SECRET_ARN: 'owner', DATABASE_POOL_SIZE: '4' },
  });
  const { client } = database;
  await client.query(`insert into portfolio.tokens (symbol) select 'T' || n from generate_series(1, ${tokens}) as n`);
  for (const rows of sizes) {
    console.log(`\n${rows} prices of ${tokens} tokens`);
    const since = await fill(client, rows);
    await benchInserts(client, since);
    await benchTiers(client, rows, since);
    await benchConversion(client, database.writer, rows);
  }
  await closePools();
  await secrets.stop();
  await database.stop();
}

/** Fills the table in the order of time, as syncs do, without its triggers. Returns the time of the first price. */
async function fill(client: pg.Client, rows: number): Promise<Date> {
  const since = new Date(end - (rows / tokens) * stepMs);
  const month = `date_trunc('month', timestamptz '${since.toISOString()}', 'UTC')`;
  await client.query(`
    truncate ${name}, ${name}_late, ${name}_packed;
    update platform.tiers set closed_until = ${month}, packed_until = ${month}, packed_at = '-infinity' where name = '${name}'`);
  await createPartitions(
    partitionedTablesOf([portfolio]).filter((one) => one.name === 'price_snapshots'),
    new Date(end),
  );
  await client.query(`
    select setseed(0.5);
    set session_replication_role = replica;
    insert into ${name} (token_id, recorded_at, price_usd, source)
    select t, timestamptz '${since.toISOString()}' + n * interval '5 min',
      round((10 ^ (t % 7 - 2) * (1 + 0.3 * sin(n / 500.0 + t)) + random() * 10 ^ (t % 7 - 4))::numeric, 8 - greatest(0, t % 7 - 2)), 'defillama'
    from generate_series(0, ${rows / tokens - 1}) as n, generate_series(1, ${tokens}) as t order by n, t;
    set session_replication_role = origin`);
  await client.query('vacuum analyze');
  return since;
}

async function benchInserts(client: pg.Client, since: Date): Promise<void> {
  await client.query(`
    drop schema if exists bench cascade;
    create schema bench;
    create table bench.plain (like ${name} including all);
    create table bench.months (like ${name} including all) partition by range (recorded_at);
    create table bench.hashed (like ${name} including all) partition by range (recorded_at)`);
  await createPartitions(
    [
      { schema: 'bench', name: 'months', partitions: { by: 'month', column: 'recorded_at', ahead: 12 } },
      {
        ...{ schema: 'bench', name: 'hashed' },
        partitions: { by: 'month', column: 'recorded_at', ahead: 12, hash: { column: 'token_id', count: 4 } },
      },
    ],
    since,
  );
  const columns = 'token_id, recorded_at, price_usd, source';
  for (const [how, write] of [
    ['COPY', (table: string, lines: string) => copy(client, `${table} (${columns})`, lines)],
    [
      'INSERT … SELECT',
      async (table: string, lines: string) => {
        await client.query(`create temporary table staged (like bench.plain)`);
        await copy(client, `staged (${columns})`, lines);
        const ms = await timeMs(() => client.query(`insert into ${table} select * from staged`));
        await client.query('drop table staged');
        return ms;
      },
    ],
  ] as const) {
    await client.query('truncate bench.plain, bench.months, bench.hashed');
    const ratios: Record<string, number[]> = { again: [], months: [], hashed: [] };
    for (let round = 0; round < rounds * 4; round++) {
      const lines = batch(since, round);
      const timed: Record<string, number> = {};
      // each in turn is the first
      const order = ['plain', 'months', 'hashed'];
      for (let i = 0; i < 3; i++) {
        const table = order[(round + i) % 3]!;
        timed[table] = await write(`bench.${table}`, lines);
      }
      ratios.months!.push(timed.plain! / timed.months!);
      ratios.hashed!.push(timed.plain! / timed.hashed!);
      const later = batch(since, 1_000 + round);
      const [first, second] = [
        await write('bench.plain', later),
        await write('bench.plain', batch(since, 2_000 + round)),
      ];
      ratios.again!.push(first / second);
    }
    console.log(
      `  ${how} of ${batchRows} rows, rows/s against the plain table: months ${spread(ratios.months!)}, months and hash ${spread(ratios.hashed!)}; noise ${spread(ratios.again!)}`,
    );
  }
}

/** One tick after another, as text for COPY. */
function batch(since: Date, round: number): string {
  const lines: string[] = [];
  for (let row = 0; row < batchRows; row++) {
    const at = new Date(since.getTime() + (round * (batchRows / tokens) + Math.floor(row / tokens)) * stepMs);
    lines.push(`${1 + (row % tokens)}\t${at.toISOString()}\t${(1 + Math.sin(row)).toFixed(8)}\tdefillama\n`);
  }
  return lines.join('');
}

async function copy(client: pg.Client, target: string, lines: string): Promise<number> {
  return timeMs(() => pipeline(Readable.from([lines]), client.query(copyFrom(`copy ${target} from stdin`))));
}

async function benchTiers(client: pg.Client, rows: number, since: Date): Promise<void> {
  const table = tieredTablesOf([portfolio]).find((one) => one.name === 'price_snapshots')!;
  const raw = { bytes: await bytesOf(client, name), ...(await benchReads(client, 'hot')) };
  const deadline = new Date(Date.now() + 3_600_000);
  const packMs = await timeMs(() => packTable(table, { now: new Date(end + 100 * 86_400_000), deadline, graceMs: 0 }));
  await client.query('vacuum analyze');
  const packed = { bytes: await bytesOf(client, `${name}_packed`), ...(await benchReads(client, 'packed')) };
  const perRow = (bytes: number) => (bytes / rows).toFixed(1);
  console.log(
    `  packed ${Math.round(rows / (packMs / 1_000))} rows/s, verified and the partitions dropped: ${perRow(raw.bytes)} → ${perRow(packed.bytes)} bytes a row (${(packed.bytes / raw.bytes).toFixed(3)})`,
  );
  console.log(
    `  a month of a token: buffers ${raw.buffers} → ${packed.buffers} (1/${Math.round(raw.buffers / packed.buffers)}), time ${(packed.monthMs / raw.monthMs).toFixed(2)} × hot (${raw.monthMs.toFixed(1)} ms)`,
  );
  await benchLate(client, table, since, deadline);
}

async function bytesOf(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `select sum(pg_total_relation_size(relid))::text as bytes from pg_partition_tree('${table}') where isleaf`,
  );
  return Number(rows[0]!.bytes);
}

async function benchReads(client: pg.Client, tier: string): Promise<{ buffers: number; monthMs: number }> {
  const month = `from ${name}_rows('{42}', timestamptz '2026-10-01Z', '2026-11-01Z', '-infinity')`;
  const plan = await client.query(`explain (analyze, buffers, format json) select recorded_at, price_usd ${month}`);
  const node = plan.rows[0]['QUERY PLAN'][0].Plan;
  const statements = {
    month: `select count(*), sum(price_usd) ${month}`,
    'by key': `select price_usd from portfolio.latest_prices where token_id = 42`,
    last: `select price_usd from ${name}_last(42, '${new Date(end).toISOString()}', '-infinity', '-infinity')`,
    'all, lateral': `select count(l.price_usd) from portfolio.tokens t, lateral ${name}_last(t.id, '${new Date(end).toISOString()}', '-infinity', '-infinity') as l`,
    'all, DISTINCT ON': `select count(*) from (select distinct on (token_id) price_usd
      from ${name}_rows((select array_agg(id) from portfolio.tokens), '-infinity', 'infinity', '-infinity') order by token_id, recorded_at desc) as d`,
  };
  const ms: Record<string, number> = {};
  for (const [what, statement] of Object.entries(statements)) {
    const times: number[] = [];
    for (let round = 0; round < (what.includes('DISTINCT') ? 1 : rounds); round++)
      times.push(await timeMs(() => client.query(statement)));
    ms[what] = median(times);
  }
  console.log(
    `  latest price, ${tier}, ms: of one ${ms['by key']!.toFixed(2)} by key, ${ms.last!.toFixed(2)} from history; of ${tokens} ${ms['all, lateral']!.toFixed(1)}, with DISTINCT ON ${ms['all, DISTINCT ON']!.toFixed(0)}`,
  );
  return { buffers: node['Shared Hit Blocks'] + node['Shared Read Blocks'], monthMs: ms.month! };
}

async function benchLate(
  client: pg.Client,
  table: Parameters<typeof packTable>[0],
  since: Date,
  deadline: Date,
): Promise<void> {
  const merge = async (what: string, select: string) => {
    const { rowCount } = await client.query(`
      insert into ${name}_late (token_id, recorded_at, price_usd, source) ${select}`);
    const ms = await timeMs(() => packTable(table, { now: new Date(since), deadline }));
    console.log(`  merging ${rowCount} late rows ${what}: ${Math.round(rowCount! / (ms / 1_000))} rows/s`);
  };
  await client.query('set session_replication_role = replica');
  await merge(
    'into 500 filled packs',
    `select t, timestamptz '2026-10-01T00:01Z' + d * interval '1 day', 5, 'import' from generate_series(1, 100) as t, generate_series(0, 4) as d`,
  );
  await merge(
    'of ten years of days',
    `select t, timestamptz '2012-01-01Z' + d * interval '1 day', 5 + d, 'import' from generate_series(1, 10) as t, generate_series(1, 3650) as d`,
  );
  await merge(
    'of a month of ticks',
    `select t, timestamptz '2011-01-01Z' + d * interval '5 min', 5 + d, 'import' from generate_series(1, 20) as t, generate_series(0, 8927) as d`,
  );
  await client.query('set session_replication_role = origin');
}
