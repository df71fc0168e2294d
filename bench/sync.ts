/**
 * Storing holdings in bulk, compared with the limit (COPY of the same rows into a bare table) and with the usual code (a
 * multi-row INSERT … ON CONFLICT of 500 rows, into a table with the usual indexes). Then a sync of a million rows from the
 * warehouse, and its memory.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { wallets } from '../functions/wallets/domain.ts';
import { type HoldingRecord, recordHoldings } from '../functions/wallets/record-holdings.ts';
import { startQueues } from '../local/queues.ts';
import { startRedis } from '../local/redis.ts';
import { startSecrets } from '../local/secrets.ts';
import { startSnowflake } from '../local/upstreams/snowflake.ts';
import { encodeCopy } from '../shared/db/copy-binary.ts';
import type { Transaction } from '../shared/db/transaction.ts';
import { fillHoldings, median, spread, startBenchDatabase, timeMs } from './world.ts';

const sizes = [100_000, 300_000, 1_000_000];
const rounds = 5;
const rowsPerRound = 100_000;
const rowsPerCommit = 50_000;
const millionRows = 1_000_000;

/** `npm run bench -- sync` */
export async function benchSync(): Promise<void> {
  const database = await startBenchDatabase();
  console.log(
    `${rowsPerRound} rows per round, medians of ${rounds} rounds in turn; ratios are to the limit's rows per second in the same round`,
  );
  for (const size of sizes) await benchSize(database.client, size);
  await database.stop();
  await benchMillion();
}

interface Contest {
  limit: number;
  limitAgain: number;
  multiRow: number;
  ours: number;
  /** Without the triggers that announce changes and feed the read models. */
  upsertAlone: number;
}

async function benchSize(client: pg.Client, size: number): Promise<void> {
  await fillHoldings(client, size);
  await createUsualTable(client);
  console.log(`\n${size} stored holdings`);
  for (const [name, make] of [
    ['all new', (round: number) => newRows(size, round)],
    ['95 % unchanged', (round: number) => mostlyUnchanged(client, size, round)],
  ] as const) {
    const ratios: Record<keyof Contest, number[]> = {
      limit: [],
      limitAgain: [],
      multiRow: [],
      ours: [],
      upsertAlone: [],
    };
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const rows = await make(round);
      const times = await contest(client, rows);
      rates.push((rows.length / times.limit) * 1_000);
      for (const key of Object.keys(ratios) as (keyof Contest)[]) ratios[key].push(times.limit / times[key]);
    }
    console.log(`  ${name}: the limit is ${Math.round(median(rates) / 1_000)}k rows/s`);
    console.log(`    the limit again (noise)            ${spread(ratios.limitAgain)}`);
    console.log(`    multi-row INSERT of 500            ${spread(ratios.multiRow, 3)}`);
    console.log(
      `    recordHoldings                     ${spread(ratios.ours, 3)}   ${(median(ratios.ours) / median(ratios.multiRow)).toFixed(1)} × the INSERT`,
    );
    console.log(`    … without announcing               ${spread(ratios.upsertAlone, 3)}`);
  }
  console.log(`  WAL of an unchanged row: ${(await walOfUnchanged(client, size)).toFixed(1)} bytes`);
}

/** Runs each contestant in a transaction that is rolled back, so that all start with the same table. */
async function contest(client: pg.Client, rows: readonly HoldingRecord[]): Promise<Contest> {
  const limit = () => copyBare(client, rows);
  const times = {
    limit: await limit(),
    multiRow: await rolledBack(client, () => insertMultiRow(client, rows)),
    ours: await rolledBack(client, () => record(client, rows)),
    upsertAlone: await rolledBack(client, async () => {
      await client.query('set local session_replication_role = replica');
      await record(client, rows);
    }),
    limitAgain: await limit(),
  };
  await client.query('vacuum wallets.wallet_holdings, usual_holdings, wallets.changed_holdings, wallets.dirty_wallets');
  return times;
}

async function rolledBack(client: pg.Client, work: () => Promise<void>): Promise<number> {
  await client.query('begin');
  const elapsedMs = await timeMs(work);
  await client.query('rollback');
  return elapsedMs;
}

async function record(client: pg.Client, rows: readonly HoldingRecord[]): Promise<void> {
  for (let at = 0; at < rows.length; at += rowsPerCommit)
    await recordHoldings(client as unknown as Transaction, rows.slice(at, at + rowsPerCommit));
}

async function copyBare(client: pg.Client, rows: readonly HoldingRecord[]): Promise<number> {
  await client.query('create table if not exists bare (n integer)');
  await client.query(
    'drop table bare; create table bare (position integer, nft_id bigint, wallet_address bytea, is_locked boolean, last_event_ts timestamptz)',
  );
  return timeMs(async () => {
    const copy = client.query(copyFrom('copy bare from stdin (format binary)'));
    const values = rows.map((one) => [
      one.nftId,
      Buffer.from(one.wallet!.slice(2), 'hex'),
      one.isLocked,
      one.lastEventMicros,
    ]);
    await pipeline(Readable.from(encodeCopy(['bigint', 'bytea', 'boolean', 'timestamptz'], values)), copy);
  });
}

/** Creates a table of holdings with the usual key and indexes. */
async function createUsualTable(client: pg.Client): Promise<void> {
  await client.query(
    `
    drop table if exists usual_holdings;
    create table usual_holdings (wallet_address text not null, nft_id bigint not null, is_locked boolean not null,
      last_event_ts timestamptz not null, last_synced_at timestamptz not null default now());
    insert into usual_holdings
    select wallets.wallet_name(wallet_address), nft_id, is_locked, last_event_ts from wallets.wallet_holdings;
    alter table usual_holdings add primary key (wallet_address, nft_id);
    create index on usual_holdings (wallet_address);
    create index on usual_holdings (nft_id);
    create index on usual_holdings (last_event_ts);
    create index on usual_holdings (wallet_address, nft_id);
    create index on usual_holdings (wallet_address, is_locked);
    vacuum analyze usual_holdings`.replace(/\s*vacuum analyze usual_holdings$/, ''),
  );
  await client.query('vacuum analyze usual_holdings');
}

async function insertMultiRow(client: pg.Client, rows: readonly HoldingRecord[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) {
    const batch = rows.slice(at, at + 500);
    const places = batch.map((_, i) => `($${i * 4 + 1}, $${i * 4 + 2}, $${i * 4 + 3}, $${i * 4 + 4})`);
    await client.query(
      `insert into usual_holdings (wallet_address, nft_id, is_locked, last_event_ts) values ${places.join(', ')}
       on conflict (wallet_address, nft_id) do update
         set is_locked = excluded.is_locked, last_event_ts = excluded.last_event_ts, last_synced_at = now()`,
      batch.flatMap((one) => [one.wallet, one.nftId, one.isLocked, new Date(Number(one.lastEventMicros / 1_000n))]),
    );
  }
}

/** New rows in the order of a sync: by wallet. */
function newRows(size: number, round: number): HoldingRecord[] {
  const wallets = size / 10;
  return Array.from({ length: rowsPerRound }, (_, i) => ({
    nftId: String(size + round * rowsPerRound + ((i * 7_919) % rowsPerRound) + 1),
    wallet: walletOf(Math.floor((i / rowsPerRound) * wallets)),
    isLocked: i % 3 === 0,
    lastEventMicros: 1_790_000_000_000_000n + BigInt(i) * 1_000n,
  })).sort(byWallet);
}

async function mostlyUnchanged(client: pg.Client, size: number, round: number): Promise<HoldingRecord[]> {
  const rows = await storedRows(client, size, round);
  return rows.map((one, i) =>
    i % 20 === 0 ? { ...one, isLocked: !one.isLocked, lastEventMicros: one.lastEventMicros + 1_000_000n } : one,
  );
}

async function storedRows(client: pg.Client, size: number, round: number): Promise<HoldingRecord[]> {
  const { rows } = await client.query(
    `select * from (
       select nft_id::text as "nftId", wallets.wallet_name(wallet_address) as wallet, is_locked as "isLocked",
         ((extract(epoch from last_event_ts) * 1000000)::bigint)::text as micros
       from wallets.wallet_holdings order by wallet_address, nft_id offset $1 limit $2) as s`,
    [Math.max(0, Math.min(size - rowsPerRound, round * rowsPerRound)), rowsPerRound],
  );
  return rows.map(({ micros, ...one }) => ({ ...one, lastEventMicros: BigInt(micros) }));
}

async function walOfUnchanged(client: pg.Client, size: number): Promise<number> {
  const rows = await storedRows(client, size, 0);
  const at = async () => (await client.query('select pg_current_wal_insert_lsn() as lsn')).rows[0].lsn;
  await client.query('begin');
  const before = await at();
  await record(client, rows);
  const after = await at();
  await client.query('rollback');
  const { rows: difference } = await client.query('select pg_wal_lsn_diff($1, $2)::float8 as bytes', [after, before]);
  return difference[0].bytes / rows.length;
}

const byWallet = (a: HoldingRecord, b: HoldingRecord) => (a.wallet! < b.wallet! ? -1 : a.wallet === b.wallet ? 0 : 1);

function walletOf(i: number): string {
  return `0x${((BigInt(i + 1) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn).toString(16).padStart(16, '0')}`;
}

/** A first sync of a million rows in a new process, from the warehouse to the last commit. */
export async function benchMillion(): Promise<void> {
  const database = await startBenchDatabase();
  const [redis, queues, warehouse] = await Promise.all([
    startRedis(() => {}, ''),
    startQueues({ onObjectCreated: async () => {} }),
    startSnowflake({ moments: millionRows, wallets: 100_000, editions: 2_000, scrapes: 1 }),
  ]);
  for (const name of ['jobs', 'relay']) queues.server.createQueue(name);
  const secrets = await startSecrets(
    new Map<string, Record<string, unknown>>([
      ['owner', { username: 'owner', password: 'owner' }],
      ['snowflake', warehouse.secret],
    ]),
  );
  // the limits of the deployed function
  const heap = [`--max-old-space-size=${wallets.etl.heapMb}`, '--max-semi-space-size=8'];
  const child = spawn('node', [...heap, 'bench/million.ts'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env.PATH,
      SERVICE: 'bench',
      LOG_LEVEL: 'ERROR',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_SQS: queues.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
      DATABASE_WRITER_HOST: database.writer,
      DATABASE_READER_HOST: database.writer,
      DATABASE_ANALYTICS_HOST: database.writer,
      DATABASE_NAME: 'postgres',
      DATABASE_CLUSTER_ID: 'test',
      DATABASE_READ_SECRET_ARN: 'owner',
      DATABASE_WRITE_SECRET_ARN: 'owner',
      DATABASE_POOL_SIZE: '4',
      DATABASE_TLS: 'off',
      REDIS_URL: redis.url,
      RELAY_QUEUE_URL: `${queues.url}/000000000000/relay`,
      JOBS_QUEUE_URL_WALLETS_BULK: `${queues.url}/000000000000/jobs`,
      JOBS_QUEUE_URL_WALLETS_PROMPT: `${queues.url}/000000000000/jobs`,
      UPSTREAM_SNOWFLAKE_URL: warehouse.url,
      UPSTREAM_SNOWFLAKE_SECRET_ARN: 'snowflake',
      POWERTOOLS_METRICS_DISABLED: 'true',
      POWERTOOLS_TRACE_ENABLED: 'false',
    },
  });
  await once(child, 'exit');
  await Promise.all([database.stop(), redis.stop(), queues.stop(), secrets.stop(), warehouse.stop()]);
}
