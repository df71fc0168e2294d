/**
 * Ten minutes of the whole system, as `npm start` runs it, on upstreams that misbehave: a cycle a minute of changes, faults
 * and syncs. At the end, what is healthy is at most two cycles old, what is bad is listed, and owners and holders equal
 * those of the upstreams' worlds.
 */
import { rm } from 'node:fs/promises';
import pg from 'pg';
import type { Operated } from '../local/operator.ts';
import { postForJob } from '../local/operator.ts';
import { type AlchemyStandIn, startAlchemy } from '../local/upstreams/alchemy.ts';
import { startNeynar } from '../local/upstreams/neynar.ts';
import { startUpstreamProxy, type UpstreamProxy } from '../local/upstreams/proxy.ts';
import { type SnowflakeStandIn, startSnowflake } from '../local/upstreams/snowflake.ts';
import { createRandom, mine, nextTransfer, type Transfer } from '../local/upstreams/world.ts';
import {
  disturbChain,
  disturbUsers,
  disturbWarehouse,
  futureSeconds,
  isMalformed,
  sickContract,
} from './soak-upstreams.ts';
import { synthesize } from './synthesize.ts';

const cycles = 10;
const cycleMs = 60_000;
const random = createRandom(9);
const zero = `0x${'0'.repeat(40)}`;
const size = { moments: 5_000, wallets: 400, editions: 60, scrapes: 3 };

interface World {
  alchemy: AlchemyStandIn;
  snowflake: SnowflakeStandIn;
}

/** `npm run bench -- soak` */
export async function benchSoak(): Promise<void> {
  const { startRuntime } = await import('../local/runtime.ts');
  const { directory, template } = await synthesize();
  const proxies: UpstreamProxy[] = [];
  const alchemy = await startAlchemy({ apiKey: 'soak' });
  const neynar = await startNeynar({ world: alchemy.world, apiKey: 'soak' });
  const snowflake = await startSnowflake(size);
  const behind = (
    upstream: { url: string; secret: Record<string, string> },
    disturb: (proxy: UpstreamProxy) => void,
  ) => ({
    start: async () => {
      const proxy = await startUpstreamProxy(upstream.url);
      proxies.push(proxy);
      disturb(proxy);
      return { url: proxy.url, secret: upstream.secret, stop: () => proxy.stop() };
    },
  });
  const standIns = {
    alchemy: behind(alchemy, disturbChain),
    neynar: behind(neynar, disturbUsers),
    snowflake: behind(snowflake, (proxy) => disturbWarehouse(proxy, snowflake)),
  };
  const runtime = await startRuntime({ template, directory: `${directory}/state`, port: 0, log: () => {}, standIns });
  const host = Object.values(runtime.plan.functions).find(({ environment }) => environment.DATABASE_WRITER_HOST)!
    .environment.DATABASE_WRITER_HOST;
  const db = new pg.Client(`postgres://owner:owner@${host}/tributary`);
  await db.connect();
  try {
    await begin(runtime, alchemy, db);
    for (let cycle = 1; cycle <= cycles; cycle++) await runCycle(cycle, runtime, { alchemy, snowflake }, db);
    await settle(runtime, db);
    const failed = await report({ alchemy, snowflake }, runtime, db);
    if (failed > 0) throw new Error(`${failed} of the soak's checks failed.`);
  } finally {
    await db.end();
    await runtime.stop();
    await Promise.all([alchemy, neynar, snowflake].map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  }
}

/** Loads every collection by its first read, and stores users and a collection that always fails. */
async function begin(runtime: Operated, alchemy: AlchemyStandIn, db: pg.Client): Promise<void> {
  for (const { address } of alchemy.collections) await fetch(`${runtime.url}/v1/collections/${address}`);
  await until('all collections are loaded', async () => {
    for (const { address } of alchemy.collections) await fetch(`${runtime.url}/v1/collections/${address}`);
    const { rows } = await db.query(
      `select count(*)::int as n from collections.collections where completeness = 'complete'`,
    );
    return rows[0].n === alchemy.collections.length;
  });
  await db.query(
    `insert into collections.collections (address, token_type, completeness, deployed_block, token_count)
     values (decode(substr($1, 3), 'hex'), 'ERC721', 'complete', 1, 1)`,
    [sickContract],
  );
  const users = alchemy.world.users.map(({ fid, wallets }) => ({ fid, wallet: wallets[0]! }));
  await db.query(
    `with given as (select * from jsonb_to_recordset($1) as u (fid bigint, wallet text)),
       stored as (insert into collections.fc_users (fid) select fid from given)
     insert into collections.fc_user_wallets select fid, decode(substr(wallet, 3), 'hex'), now(), now() from given`,
    [JSON.stringify(users)],
  );
  console.log(`begun: ${alchemy.collections.length} collections, ${users.length} users`);
}

const everyCycle = [
  'collections.syncTransfers',
  'collections.verifyOwnership',
  'collections.syncUsers',
  'wallets.syncHoldings',
  'wallets.syncMoments',
  'wallets.syncPrices',
  'wallets.syncProfiles',
];

async function runCycle(cycle: number, api: Operated, { alchemy, snowflake }: World, db: pg.Client): Promise<void> {
  const startedAt = Date.now();
  await db.query('update collections.fc_users set refreshed_at = null');
  await db.query('update collections.collections set owners_verified_at = null where id % 3 = $1 % 3', [cycle]);
  await changeChain(cycle, api, alchemy);
  for (let i = 0; i < 40; i++)
    snowflake.world.trade(Math.floor(random() * size.moments), Math.floor(random() * size.wallets));
  const start = (job: string, params: object = {}) => postForJob(api, '/v1/admin/jobs', { job, params });
  for (const job of everyCycle) await start(job);
  if (cycle % 3 === 0) await start('wallets.syncHoldings', { mode: 'full' });
  await start('collections.loadUser', { fid: String(alchemy.world.users[cycle]!.fid) });
  await postForJob(api, `/v1/collections/${alchemy.collections[4]!.address}/refresh`);
  const { rows } = await db.query(
    `select count(*) filter (where status = 'failed')::int as failed, count(*) filter (where status = 'succeeded')::int as succeeded,
       (select count(*)::int from platform.quarantine) as quarantined from platform.jobs`,
  );
  console.log(`cycle ${cycle}: so far ${JSON.stringify(rows[0])}`);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, startedAt + cycleMs - Date.now())));
}

/** New blocks, transfers of nothing, and reorgs, of which webhooks tell only a part. */
async function changeChain(cycle: number, { url }: Operated, alchemy: AlchemyStandIn): Promise<void> {
  const options = { webhookUrl: `${url}/v1/webhooks/alchemy`, signingKey: alchemy.secret.webhookSigningKey };
  const notify = (transfers: readonly Transfer[], removed = false) =>
    transfers.length > 0 && random() < 0.6 ? alchemy.notify(options, transfers, removed).catch(() => 0) : undefined;
  const shared = alchemy.collections.find(({ tokenType }) => tokenType === 'ERC1155')!;
  for (let block = 0; block < 15; block++) {
    const nothing = {
      ...nextTransfer(alchemy.world, random),
      logIndex: 1,
      contract: shared.address,
      tokenType: 'ERC1155' as const,
      tokens: [{ tokenId: '1', amount: 0n }],
    };
    await notify(mine(alchemy.world, [nextTransfer(alchemy.world, random), ...(block % 3 === 0 ? [nothing] : [])]));
  }
  if (cycle % 2 === 0) await notify(alchemy.reorg(1 + Math.floor(random() * 4)), true);
}

/** Waits until nothing runs except what waits, and the read models have caught up. */
async function settle(api: Operated, db: pg.Client): Promise<void> {
  await postForJob(api, '/v1/admin/jobs', { job: 'collections.syncTransfers', params: {} });
  await until('all jobs have ended or wait', async () => {
    const { rows } = await db.query(
      `select count(*)::int as n from platform.jobs
       where status = 'queued' or (status = 'running' and error->>'code' is distinct from 'rate_limited')`,
    );
    return rows[0].n === 0;
  });
}

async function report({ alchemy, snowflake }: World, api: Operated, db: pg.Client): Promise<number> {
  const maxAge = `${(2 * cycleMs) / 1_000} seconds`;
  const one = async (text: string, values: unknown[] = []) => (await db.query(text, values)).rows[0];
  const { quarantine } = (await (await fetch(`${api.url}/v1/quarantine?limit=200`)).json()) as {
    quarantine: { source: string; unit: string; reason: string }[];
  };
  const malformed = alchemy.world.users.filter(({ fid }) => isMalformed(fid)).map(({ fid }) => String(fid));
  const listed = (source: string) => quarantine.filter((row) => row.source === source).map(({ unit }) => unit);
  const stale = await one(
    `select count(*)::int as n from collections.collections where transfers_synced_at < now() - $1::interval and address <> $2`,
    [maxAge, Buffer.from(sickContract.slice(2), 'hex')],
  );
  const users = await one(
    `select count(*)::int as n from collections.fc_users u
     where coalesce(refreshed_at, '-infinity') < now() - $1::interval and not fid = any($2::bigint[])
       and exists (select from collections.fc_user_wallets w join collections.user_collections h on h.user_address = w.wallet
                   where w.fid = u.fid)`,
    [maxAge, malformed],
  );
  const marks = await one(`select count(*)::int as n from platform.watermarks where complete_to > now()`);
  const late = await one(
    `select count(*)::int as n from unnest($2::text[]) as name where not exists (
       select from platform.jobs j
       where j.job = name and j.status = 'succeeded' and j.finished_at > now() - $1::interval)`,
    [maxAge, everyCycle],
  );
  const jobs = await db.query(
    `select job, status, error->>'message' as reason, count(*)::int as n from platform.jobs
     where status = 'failed' or status = 'cancelled' group by 1, 2, 3`,
  );
  const waiting = await db.query(
    `select distinct job, error->>'message' as reason from platform.jobs where status = 'running'`,
  );
  const future = await one(
    `select count(*)::int as n from platform.rejected_rows where data::text like '%' || $1 || '%'`,
    [futureSeconds],
  );
  const dirty = await one(
    `select count(*)::int as n from platform.jobs where status in ('queued', 'running') and error is null`,
  );
  const checks: [string, boolean, unknown][] = [
    ['healthy collections older than two cycles', stale.n === 0, stale.n],
    ['healthy users older than two cycles', users.n === 0, users.n],
    ['syncs that have not succeeded for two cycles', late.n === 0, late.n],
    ['watermarks in the future', marks.n === 0, marks.n],
    ['owners that differ from the chain', ...none(await wrongOwners(alchemy, db))],
    ['holders that differ from the warehouse', ...none(await wrongHolders(snowflake, db))],
    [
      'the failing contract is listed',
      listed('collections.syncTransfers').includes(sickContract),
      listed('collections.syncTransfers'),
    ],
    [
      'every malformed user is listed',
      malformed.every((fid) => listed('collections.syncUsers').includes(fid)),
      malformed.length,
    ],
    ['dates in the future are listed', future.n > 0, future.n],
    [
      'loadUser waits for the closed operation',
      waiting.rows.some(({ job }) => job === 'collections.loadUser'),
      waiting.rows,
    ],
    ['jobs that are stuck', dirty.n === 0, dirty.n],
  ];
  for (const [name, isRight, found] of checks)
    console.log(`${isRight ? 'ok  ' : 'FAIL'} ${name}: ${JSON.stringify(found)}`);
  console.log('failed or cancelled jobs, with their reasons:');
  for (const { job, status, reason, n } of jobs.rows) console.log(`  ${n} × ${job} ${status}: ${reason}`);
  return checks.filter(([, isRight]) => !isRight).length;
}

const none = (wrong: string[]): [boolean, unknown] => [wrong.length === 0, wrong.length === 0 ? 0 : wrong.slice(0, 5)];

async function wrongOwners({ world, collections }: AlchemyStandIn, db: pg.Client): Promise<string[]> {
  const { rows } = await db.query(
    `select '0x' || encode(c.address, 'hex') || ':' || n.token_id || ' 0x' || encode(o.owner, 'hex') || ' ' || o.amount as held
     from collections.nft_ownership o join collections.nfts n on n.id = o.nft_id
       join collections.collections c on c.id = n.collection_id where o.amount <> 0`,
  );
  const known = new Set(collections.map(({ address }) => address));
  const expected = new Set<string>();
  for (const [token, owners] of world.owners)
    for (const [owner, amount] of owners)
      if (amount > 0n && owner !== zero && known.has(token.split(':')[0]!)) expected.add(`${token} ${owner} ${amount}`);
  return differences(expected, new Set(rows.map(({ held }) => held)));
}

/** A holding that was rejected, because its last row is dated in the future, is as it was before. */
async function wrongHolders({ world }: SnowflakeStandIn, db: pg.Client): Promise<string[]> {
  const rejected = await db.query<{ id: string }>(
    `select distinct data->>'NFT_ID' as id from platform.rejected_rows where data ? 'WALLET_ADDRESS'`,
  );
  const { rows } = await db.query(
    `select nft_id || ' 0x' || encode(wallet_address, 'hex') as held from wallets.wallet_holdings where wallet_address is not null`,
  );
  const table = world.tables.get('WALLET_HOLDINGS')!;
  const [wallet, moment] = ['WALLET_ADDRESS', 'NFT_ID'].map((name) =>
    table.columns.findIndex((one) => one.name === name),
  );
  const open = table.open();
  const expected = new Set(
    Array.from({ length: open.count }, (_, place) => open.row(place)).map(
      (row) => `${row[moment!]} ${row[wallet!]!.toLowerCase()}`,
    ),
  );
  const excused = new Set(rejected.rows.map(({ id }) => id));
  return differences(expected, new Set(rows.map(({ held }) => held))).filter((one) => !excused.has(one.split(' ')[1]!));
}

function differences(expected: ReadonlySet<string>, found: ReadonlySet<string>): string[] {
  return [
    ...[...expected].filter((one) => !found.has(one)).map((one) => `missing ${one}`),
    ...[...found].filter((one) => !expected.has(one)).map((one) => `surplus ${one}`),
  ];
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 300_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`Not in five minutes: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
