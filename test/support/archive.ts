/** A world of prices for tests of the archive: months of packs and late rows, reads of them, and a model of what they show. */
import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { portfolio } from '../../functions/portfolio/domain.ts';
import { type ArchiveOptions, archiveTable } from '../../shared/archive/archive.ts';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { replicaCaughtUp } from './database.ts';
import { createBucket, testS3 } from './queues.ts';
import { createTestDomain } from './test-domain.ts';

export const priceTable = tieredTablesOf([portfolio]).find(({ name }) => name === 'price_snapshots')!;
export const graceMs = 600_000;

/** The day on which every month before 2020 is cold. */
export const now = new Date('2021-06-15T00:00:00Z');

export async function createArchiveWorld(environment: Record<string, string> = {}) {
  const bucket = await createBucket();
  const domain = await createTestDomain('portfolio', { ARCHIVE_BUCKET: bucket, ...environment });
  const { database, call, importFile } = domain;
  const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
  /** What reads must show: token → time → price. */
  const model = new Map<string, Map<string, string>>();

  /** Records prices as a sync does: `['btc', '2019-01-05T00:00:00.250Z', '3800.5']`. */
  const record = async (...rows: [token: string, at: string, price: string][]) => {
    const job = await importFile(
      'prices',
      'p.csv',
      ['symbol,recorded_at,price', ...rows.map((row) => row.join())].join('\n'),
    );
    if (job.status !== 'succeeded' || job.rows_rejected > 0) throw new Error(JSON.stringify(job));
    for (const [token, at, price] of rows) {
      if (!model.has(token)) model.set(token, new Map());
      model.get(token)!.set(at, price);
    }
  };

  let reads = 0;
  /** The prices that a read shows now, past the cache. */
  const shown = async (token: string): Promise<[string, string][]> => {
    // another limit is another view
    const limit = 1_000 + (reads++ % 4_000);
    const reply = await call(
      `/v1/tokens/${token}/prices?from=2010-01-01T00:00:00Z&to=2020-01-01T00:00:00Z&limit=${limit}`,
    );
    if (reply.status !== 200) throw new Error(reply.text);
    return reply.json.prices.map(({ at, priceUsd }: { at: string; priceUsd: string }) => [at, priceUsd]);
  };
  const expected = (token: string): [string, string][] => [...model.get(token)!].sort(([a], [b]) => (a < b ? -1 : 1));

  /** Moves the late rows of a month into packs, in a partition of its own. */
  const pack = async (month: string) => {
    const label = month.replace('-', '');
    const bounds = `from ('${month}-01T00:00:00Z') to (timestamptz '${month}-01T00:00:00Z' + interval '1 month')`;
    await query(`set timezone = 'UTC'; create table portfolio.price_snapshots_packed_${label}
      partition of portfolio.price_snapshots_packed for values ${bounds}`);
    await query(
      `with moved as (delete from portfolio.price_snapshots_late
         where date_trunc('month', recorded_at, 'UTC') = $1::timestamptz returning *)
       insert into portfolio.price_snapshots_packed (token_id, day, offsets, price_usd, price_usd_unit, source)
       select token_id, date_trunc('day', recorded_at, 'UTC'),
         array_agg((extract(epoch from recorded_at - date_trunc('day', recorded_at, 'UTC')) * 1000)::integer order by recorded_at),
         array_agg((price_usd * 1e6)::bigint order by recorded_at), 1e-6, array['import']
       from moved group by 1, 2`,
      [`${month}-01T00:00:00Z`],
    );
  };

  return {
    ...domain,
    bucket,
    query,
    record,
    shown,
    expected,
    model,
    pack,
    archive: (options: Partial<ArchiveOptions> = {}) => archiveTable(priceTable, { now, graceMs, ...options }),
    /** Lets eleven minutes pass, for the grace and for readers. */
    async passGrace() {
      await query(`update platform.archives set read_since = read_since - interval '11 minutes',
        changed_at = changed_at - interval '11 minutes'`);
      // a replica is never minutes behind: it is not read then
      await replicaCaughtUp(database.pool);
      forgetMarkers();
    },
    /** The keys of the files in the bucket, without manifests. */
    async files(): Promise<string[]> {
      const { Contents = [] } = await testS3().send(new ListObjectsV2Command({ Bucket: bucket }));
      return Contents.map(({ Key }) => Key!)
        .filter((key) => key.endsWith('.parquet'))
        .sort();
    },
    /** As it was when nothing had been recorded. */
    async reset() {
      const packs = await query(
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'portfolio.price_snapshots_packed'::regclass`,
      );
      const loose = await query(
        `select oid::regclass::text as name from pg_class where relname ~ '^price_snapshots_packed_2' and not relispartition and relkind = 'r'`,
      );
      for (const { name } of [...packs, ...loose]) await query(`drop table ${name}`);
      await query(`delete from platform.archives; update platform.tiers set archived_until = '-infinity';
        truncate portfolio.price_snapshots_late; truncate portfolio.latest_prices`);
      const s3 = testS3();
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
      for (const { Key } of Contents) await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      model.clear();
      await replicaCaughtUp(database.pool);
      forgetMarkers();
    },
  };
}
