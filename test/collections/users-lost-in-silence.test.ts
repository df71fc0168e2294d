/** Users and contracts that an upstream no longer names as described are listed. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { jobs } from '../../functions/collections/jobs.ts';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { neynar as declaredNeynar } from '../../functions/upstreams/neynar.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startNeynar } from '../../local/upstreams/neynar.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { createCollections } from '../support/collections.ts';
import { drain } from '../support/queues.ts';
import { testCredentials } from '../support/upstreams.ts';

const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey });
const neynar = await startNeynar({ world: alchemy.world, apiKey: testCredentials(declaredNeynar).apiKey });
const [chain, farcaster] = await Promise.all([startUpstreamProxy(alchemy.url), startUpstreamProxy(neynar.url)]);
const { runMessage, jobRow, jobsQueue, database } = await createCollections({
  UPSTREAM_ALCHEMY_URL: chain.url,
  UPSTREAM_NEYNAR_URL: farcaster.url,
});
afterAll(() => Promise.all([chain, farcaster, alchemy, neynar].map((server) => server.stop())));
declaredAlchemy.requestsPerSecond = 1_000;
declaredNeynar.requestsPerSecond = 1_000;
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const bytes = (address: string) => Buffer.from(address.slice(2), 'hex');
const users = alchemy.world.users.slice(0, 40);

beforeEach(async () => {
  await q('truncate platform.quarantine, collections.collections, collections.fc_users cascade');
  await q('delete from platform.jobs');
  await drain(jobsQueue.url);
  await q(`insert into collections.collections (address) values ($1)`, [bytes(alchemy.collections[0]!.address)]);
  for (const { fid, wallets } of users) {
    await q('insert into collections.fc_users (fid) values ($1)', [fid]);
    await q('insert into collections.fc_user_wallets values ($1, $2, now(), now())', [fid, bytes(wallets[0]!)]);
    await q(
      `insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
       select $1, id, 1, 1, now() from collections.collections limit 1 on conflict do nothing`,
      [bytes(wallets[0]!)],
    );
  }
});

async function sync() {
  const id = await enqueueJob(jobs.syncUsers, {}, 'test');
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  const [{ listed }] = await q(
    'select (select count(*) from platform.quarantine)::int + (select count(*) from platform.rejected_rows)::int as listed',
  );
  const { status, rows_rejected } = await jobRow(id);
  return { told: status === 'failed' || listed > 0, status, rows_rejected, listed };
}

test('users whose id became a string are listed', async () => {
  farcaster.intervene = async (_, pass) => {
    const reply = await pass();
    for (const user of reply.json.users) user.fid = String(user.fid);
    return reply;
  };
  expect(await sync()).toMatchObject({ told: true });
});

test('a bulk endpoint that is gone is said', async () => {
  farcaster.intervene = async () => ({ status: 404, json: { message: 'This endpoint was retired.' } });
  expect(await sync()).toMatchObject({ told: true });
});

test('contracts that Alchemy lists illegibly are listed', async () => {
  farcaster.intervene = async () => undefined;
  chain.intervene = async ({ path }) =>
    path.includes('getContractsForOwner')
      ? { status: 200, json: { contracts: [{ contract: { address: alchemy.collections[0]!.address } }] } }
      : undefined;
  const id = await enqueueJob(jobs.loadUser, { fid: String(users[0]!.fid) }, 'test');
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  const listed = await q(
    'select unit as what from platform.quarantine union all select reason from platform.rejected_rows',
  );
  expect({ told: listed.length > 0 || (await jobRow(id)).status === 'failed' }).toEqual({ told: true });
});
