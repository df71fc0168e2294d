/**
 * The archive, at 1 and 5 million prices of 2,000 tokens over a year: how fast months are written, verified, and switched, how
 * large the files are, how much memory that takes, and how much of the files a cold range reads.
 */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { portfolio } from '../functions/portfolio/domain.ts';
import { startQueues } from '../local/queues.ts';
import { startSecrets } from '../local/secrets.ts';
import { archiveTable, type KillPoint } from '../shared/archive/archive.ts';
import { rowsIn } from '../shared/archive/batch.ts';
import { filesSql, type MonthFile } from '../shared/archive/catalog.ts';
import { fileSource } from '../shared/archive/objects.ts';
import { fileRows, openFile } from '../shared/archive/read-file.ts';
import { closePools } from '../shared/db/pools.ts';
import { tieredTablesOf } from '../shared/kernel/domain.ts';
import { tempFolder } from '../test/support/temp-folder.ts';
import { startBenchDatabase, timeMs } from './world.ts';

const sizes = [1_000_000, 5_000_000];
const tokens = 2_000;
const name = 'portfolio.price_snapshots';
const table = tieredTablesOf([portfolio]).find((one) => one.name === 'price_snapshots')!;
const now = new Date('2021-06-15T00:00:00Z');
const columns = Object.keys(table.tiers.columns).join(', ');

/** `npm run bench -- archive` */
export async function benchArchive(): Promise<void> {
  const database = await startBenchDatabase();
  const secrets = await startSecrets(new Map([['owner', { username: 'owner', password: 'owner' }]]));
  const queues = await startQueues({ onObjectCreated: async () => {} });
  queues.server.createBucket('archive');
  Object.assign(process.env, {
    ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' },
    ...{ AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url, AWS_ENDPOINT_URL_S3: queues.url, ARCHIVE_BUCKET: 'archive' },
    ...{ DATABASE_WRITER_HOST: database.writer, DATABASE_NAME: 'postgres', DATABASE_TLS: 'off' },
    ...{ DATABASE_WRITE_SECRET_ARN: 'owner', DATABASE_POOL_SIZE: '4', LOG_LEVEL: 'SILENT', SERVICE: 'bench' },
  });
  const { client } = database;
  await client.query(`insert into portfolio.tokens (symbol) select 'T' || n from generate_series(1, ${tokens}) as n;
    create schema bench; create table bench.prices (like ${name})`);
  for (const rows of sizes) {
    console.log(`\n${rows} prices of ${tokens} tokens in a year`);
    await fill(client, rows);
    const drainMs = await benchDrain(client);
    await benchArchiving(client, rows, drainMs);
    const bytes = await benchRange(client);
    await benchCsv(client, rows, bytes);
    await benchDuckDb(client, rows, drainMs);
  }
  await closePools();
  await queues.stop();
  await secrets.stop();
  await database.stop();
}

/** The same rows in a plain table and in packs. */
async function fill(client: pg.Client, rows: number): Promise<void> {
  const step = (365 * 86_400_000) / (rows / tokens);
  await client.query(`
    set timezone = 'UTC'; truncate bench.prices; truncate ${name}_packed; delete from platform.archives;
    update platform.tiers set archived_until = '-infinity' where name = '${name}';
    select setseed(0.5);
    insert into bench.prices (token_id, recorded_at, price_usd, source)
    select t, date_trunc('second', timestamptz '2019-01-01Z' + n * interval '${step} milliseconds'),
      round((10 ^ (t % 7 - 2) * (1 + 0.3 * sin(n / 500.0 + t)) + random() * 10 ^ (t % 7 - 4))::numeric, 8 - greatest(0, t % 7 - 2)), 'defillama'
    from generate_series(0, ${rows / tokens - 1}) as n, generate_series(1, ${tokens}) as t order by n, t`);
  for (let month = 0; month < 12; month++) {
    const [from, to] = [month, month + 1].map((one) => new Date(Date.UTC(2019, one)).toISOString());
    await client.query(`create table if not exists ${name}_packed_2019${month + 1}
      partition of ${name}_packed for values from ('${from}') to ('${to}')`);
  }
  await client.query(`
    insert into ${name}_packed (token_id, day, offsets, price_usd, price_usd_unit, source)
    select token_id, date_trunc('day', recorded_at), array_agg((extract(epoch from recorded_at - date_trunc('day', recorded_at)) * 1000)::integer order by recorded_at),
      array_agg((price_usd * 1e8)::bigint order by recorded_at), 1e-8, array['defillama']
    from bench.prices group by 1, 2`);
  await client.query('vacuum analyze');
}

/** Counts the bytes of a stream. */
class Counter extends Writable {
  bytes = 0;

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.bytes += chunk.length;
    done();
  }
}

/** Discards the bytes of a COPY. */
async function drain(client: pg.Client, sql: string): Promise<void> {
  await pipeline(client.query(copyTo(sql)), new Counter());
}

async function benchDrain(client: pg.Client): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 3; round++)
    times.push(await timeMs(() => drain(client, 'copy bench.prices to stdout (format binary)')));
  const inOrder = await timeMs(() =>
    drain(client, 'copy (select * from bench.prices order by token_id, recorded_at) to stdout (format binary)'),
  );
  const best = Math.min(...times);
  console.log(
    `bare drain of a table: ${(best / 1_000).toFixed(2)} s; sorted by the key: ${(inOrder / 1_000).toFixed(2)} s`,
  );
  return best;
}

async function benchArchiving(client: pg.Client, rows: number, drainMs: number): Promise<void> {
  const spent = new Map<KillPoint, number>();
  let last = performance.now();
  let peak = 0;
  const sample = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  const total = await timeMs(() =>
    archiveTable(table, {
      now,
      at(point) {
        spent.set(point, (spent.get(point) ?? 0) + performance.now() - last);
        last = performance.now();
      },
    }),
  );
  clearInterval(sample);
  const { rows: found } = await client.query<{ files: MonthFile[] }>(`select ${filesSql(`'${name}'`)} as files`);
  const archived = found[0]!.files.reduce((sum, file) => sum + file.rows, 0);
  if (archived !== rows) throw new Error(`${archived} of ${rows} rows were archived.`);
  const writing = spent.get('written')!;
  const ratio = (ms: number) => (drainMs / ms).toFixed(2);
  console.log(
    `archive, rows/s against the bare drain: written with Postgres' own sums ${ratio(writing)}; to the switch of readers ${ratio(total)} (${Math.round(rows / (total / 1_000))} rows/s)`,
  );
  console.log(`  seconds: ${[...spent].map(([point, ms]) => `${point} ${(ms / 1_000).toFixed(2)}`).join(', ')}`);
  console.log(`  peak memory of the process: ${Math.round(peak / 1e6)} MB`);
}

/** Reads one token's year. Returns the bytes of all files. */
async function benchRange(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ files: MonthFile[] }>(`select ${filesSql(`'${name}'`)} as files`);
  const { files } = rows[0]!;
  const all = files.reduce((sum, file) => sum + file.bytes, 0);
  for (const round of ['with footers', 'footers cached']) {
    let [read, requests, count] = [0, 0, 0];
    const ms = await timeMs(async () => {
      for (const file of files) {
        const source = fileSource(file);
        const counted = {
          ...source,
          slice(start: number, end: number) {
            read += end - start;
            requests++;
            return source.slice(start, end);
          },
        };
        const opened = await openFile(counted, file.etag, file.manifest.footer);
        const at = (column: string) => opened.columns.findIndex((one) => one.name === column);
        const key = { series: at('token_id'), time: at('recorded_at') };
        const wanted = { key, series: [777], since: 0n, until: BigInt(2 ** 60) };
        for await (const batch of fileRows(opened, wanted)) count += rowsIn(batch);
      }
    });
    console.log(
      `a token's year, ${count} rows, ${round}: ${read} of ${all} bytes (${((read / all) * 100).toFixed(2)} %), ${requests} requests, ${ms.toFixed(0)} ms`,
    );
  }
  return all;
}

async function benchCsv(client: pg.Client, rows: number, archived: number): Promise<void> {
  const counter = new Counter();
  const copy = client.query(
    copyTo(`copy (select ${columns} from bench.prices order by recorded_at, token_id) to stdout (format csv)`),
  );
  const ms = await timeMs(() => pipeline(copy, createGzip({ level: 9 }), counter));
  console.log(
    `bytes a row: archived ${(archived / rows).toFixed(2)}, COPY CSV | gzip -9 ${(counter.bytes / rows).toFixed(2)} (${Math.round(rows / (ms / 1_000))} rows/s), ratio ${(archived / counter.bytes).toFixed(2)}`,
  );
}

async function benchDuckDb(client: pg.Client, rows: number, drainMs: number): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const folder = await tempFolder('tributary-bench-duckdb');
  const [csv, parquet] = [join(folder, 'rows.csv'), join(folder, 'rows.parquet')];
  const { createWriteStream } = await import('node:fs');
  const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
  const ms = await timeMs(async () => {
    await pipeline(client.query(copyTo('copy bench.prices to stdout (format csv)')), createWriteStream(csv));
    await duckdb.run(`copy (select column0::integer as token_id, column1::timestamptz as recorded_at, column2::decimal(18, 8) as price_usd, column8 as source
        from read_csv('${csv}', header = false, all_varchar = true) order by 1, 2)
      to '${parquet}' (format parquet, compression zstd, row_group_size 100000)`);
  });
  const { size } = await stat(parquet);
  console.log(
    `DuckDB, through CSV, sorted, unverified: ${(drainMs / ms).toFixed(2)} of the bare drain, ${(size / rows).toFixed(2)} bytes a row`,
  );
  duckdb.closeSync();
  await rm(folder, { recursive: true });
}
