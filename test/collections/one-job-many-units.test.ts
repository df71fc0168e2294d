/** What one unit of a job spends is its own: rejected rows, leases, positions. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { jobs } from '../../functions/collections/jobs.ts';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { createWorld, worldSeed } from '../../local/upstreams/world.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { createCollections } from '../support/collections.ts';
import { drain } from '../support/queues.ts';
import { testCredentials } from '../support/upstreams.ts';

const whole = createWorld(worldSeed);
/** The first transfers of each collection, in several pages. */
const transfers = whole.collections.flatMap(({ address }) =>
  whole.transfers.filter(({ contract }) => contract === address).slice(0, 250),
);
const alchemy = await startAlchemy({
  apiKey: testCredentials(declaredAlchemy).apiKey,
  world: { ...whole, transfers: transfers.sort((a, b) => a.block - b.block || a.logIndex - b.logIndex) },
  pageSize: 100,
});
const chain = await startUpstreamProxy(alchemy.url);
const { runMessage, jobRow, jobsQueue, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: chain.url });
afterAll(() => Promise.all([chain, alchemy].map((server) => server.stop())));
declaredAlchemy.requestsPerSecond = 1_000;

const [bad, ...healthy] = alchemy.collections.slice(0, 5).map(({ address }) => address) as [string, ...string[]];
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const bytes = (address: string) => Buffer.from(address.slice(2), 'hex');

beforeEach(async () => {
  chain.intervene = async () => undefined;
  await q('truncate platform.quarantine, platform.checkpoints, collections.collections, platform.jobs cascade');
  await drain(jobsQueue.url);
  for (const address of [bad, ...healthy])
    await q(
      `insert into collections.collections (address, token_type, completeness, deployed_block, token_count)
       values ($1, 'ERC721', 'complete', 1, 1)`,
      [bytes(address)],
    );
});

const unsynced = async (column = 'transfers_synced_at') =>
  (
    await q(`select '0x' || encode(address, 'hex') as address from collections.collections where ${column} is null`)
  ).map(({ address }) => address);

async function run(name: 'syncTransfers' | 'verifyOwnership') {
  const id = await enqueueJob(jobs[name], {}, 'test');
  await drain(jobsQueue.url);
  await runMessage({ job: `collections.${name}`, jobId: id, params: {}, requestedBy: 'test' });
  return jobRow(id);
}

/** Spoils the transfers of some collections: their rows are rejected. */
const spoil = (isBad: (address: string) => boolean) => {
  chain.intervene = async ({ body }, pass) => {
    if (body?.method !== 'alchemy_getAssetTransfers' || !isBad(body.params[0].contractAddresses[0])) return undefined;
    const reply = await pass();
    for (const one of reply.json.result.transfers) one.hash = 'not a hash';
    return reply;
  };
};

test('a collection whose rows are rejected does not fail the collections after it', async () => {
  spoil((address) => address === bad);
  // each run tries the bad one first again, and quarantines the healthy ones for longer
  for (let i = 0; i < 3; i++) {
    await run('syncTransfers');
    if (i < 2) await q('update platform.quarantine set retry_at = now()');
  }
  expect((await q('select unit from platform.quarantine')).map(({ unit }) => unit)).toEqual([bad]);
  expect(await unsynced()).toEqual([bad]);
});

test('each rejected row of each collection is listed', async () => {
  spoil(() => true);
  const job = (await run('syncTransfers')) as unknown as { id: string; rows_rejected: string };
  const [{ listed }] = await q('select count(*)::int as listed from platform.rejected_rows');
  expect(listed).toBe(Number(job.rows_rejected));
});

test('a collection whose checkpoint another job took over does not end the run for the others', async () => {
  chain.intervene = async ({ body }) => {
    // its page took more than two minutes, so its lease ended and a client’s loadCollection took it
    if (body?.method === 'alchemy_getAssetTransfers' && body.params[0].contractAddresses[0] === bad)
      await q('update platform.checkpoints set lease_token = gen_random_uuid() where name = $1', [
        `collections.transfers:${bad}`,
      ]);
    return undefined;
  };
  const job = await run('syncTransfers');
  expect([job, await unsynced()]).toMatchObject([{ status: 'succeeded' }, [bad]]);
});

test('many failures are said, also if the run went on in several messages', async () => {
  chain.intervene = async ({ body }) =>
    body?.method === 'alchemy_getAssetTransfers' ? { status: 400, json: {} } : undefined;
  const id = await enqueueJob(jobs.syncTransfers, {}, 'test');
  for (let i = 0; i < 12; i++) for (const message of await drain(jobsQueue.url)) await runMessage(message, 1);
  expect((await q('select unit from platform.quarantine')).length).toBe(5);
  expect(await jobRow(id)).toMatchObject({ status: 'failed', error: { code: 'integrity' } });
});

test.each([
  ['syncTransfers', 'collections.transfers', { key: 'page-key', rows: 100 }],
  ['verifyOwnership', 'collections.owners', { key: '[1000,"page-key"]', rows: 100 }],
] as const)('%s does not stop for ever at a position that the former release wrote', async (job, name, position) => {
  await q('delete from collections.collections where address <> $1', [bytes(bad)]);
  await q('insert into platform.checkpoints (name, position) values ($1, $2)', [
    `${name}:${bad}`,
    JSON.stringify(position),
  ]);
  for (let i = 0; i < 5; i++) {
    await run(job);
    await q('update platform.quarantine set retry_at = now()');
  }
  expect(await q('select unit, reason, attempts from platform.quarantine')).toEqual([]);
  expect(await unsynced(job === 'syncTransfers' ? 'transfers_synced_at' : 'owners_verified_at')).toEqual([]);
});
