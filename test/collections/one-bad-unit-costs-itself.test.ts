/** A collection, contract or user that fails costs itself alone, is listed, and is tried again later. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { z } from 'zod';
import { jobs } from '../../functions/collections/jobs.ts';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { neynar as declaredNeynar } from '../../functions/upstreams/neynar.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startNeynar } from '../../local/upstreams/neynar.ts';
import { startUpstreamProxy, type UpstreamProxy } from '../../local/upstreams/proxy.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { releaseLease, takeLease } from '../../shared/jobs/lease.ts';
import { createCollections } from '../support/collections.ts';
import { drain } from '../support/queues.ts';
import { testCredentials } from '../support/upstreams.ts';

const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey });
const neynar = await startNeynar({ world: alchemy.world, apiKey: testCredentials(declaredNeynar).apiKey });
const [chain, farcaster] = await Promise.all([startUpstreamProxy(alchemy.url), startUpstreamProxy(neynar.url)]);
const { call, runMessage, jobRow, jobsQueue, database } = await createCollections({
  UPSTREAM_ALCHEMY_URL: chain.url,
  UPSTREAM_NEYNAR_URL: farcaster.url,
});
afterAll(() => Promise.all([chain, farcaster, alchemy, neynar].map((server) => server.stop())));
declaredAlchemy.requestsPerSecond = 1_000;
declaredNeynar.requestsPerSecond = 1_000;

const addresses = alchemy.collections.map(({ address }) => address);
const [bad, good] = [addresses[4]!, addresses[5]!];
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const bytes = (address: string) => Buffer.from(address.slice(2), 'hex');

beforeEach(async () => {
  for (const proxy of [chain, farcaster]) proxy.intervene = async () => undefined;
  await q('truncate platform.quarantine, collections.collections, collections.fc_users cascade');
  await drain(jobsQueue.url);
  await q('delete from platform.jobs');
});

/** Runs a job from one message to the next until it ends, or waits. */
async function run<Name extends keyof typeof jobs>(name: Name, params: z.input<(typeof jobs)[Name]['params']>) {
  const id = await enqueueJob(jobs[name] as never, params as never, 'test');
  for (const message of await drain(jobsQueue.url)) await runMessage(message);
  return jobRow(id);
}
const quarantined = () => q('select source, unit, reason, attempts from platform.quarantine order by source, unit');
const letRetry = () => q('update platform.quarantine set retry_at = now()');

const answers = (
  proxy: UpstreamProxy,
  isMeant: (text: string) => boolean,
  reply: { status: number; json: unknown },
) => {
  proxy.intervene = async ({ path, body }) =>
    isMeant(`${path} ${JSON.stringify(body ?? '')}`.toLowerCase()) ? reply : undefined;
};

async function storeCollections() {
  for (const address of [bad, good])
    await q(
      `insert into collections.collections (address, token_type, completeness, deployed_block, token_count)
       values ($1, 'ERC721', 'complete', 1, 1) on conflict (address) do update set token_type = 'ERC721',
         completeness = 'complete', deployed_block = 1, transfers_synced_at = null, owners_verified_at = null`,
      [bytes(address)],
    );
}
const stateOf = async (address: string) =>
  (
    await q(
      `select transfers_synced_at is not null as synced, owners_verified_at is not null as verified
       from collections.collections where address = $1`,
      [bytes(address)],
    )
  )[0]!;

test.each([
  ['syncTransfers', 'alchemy_getassettransfers', 'synced'],
  ['verifyOwnership', 'getownersforcontract', 'verified'],
] as const)(
  '%s goes on past a collection that fails, and past it first the next time',
  async (name, operation, state) => {
    await storeCollections();
    answers(chain, (text) => text.includes(operation) && text.includes(bad), { status: 400, json: {} });
    expect(await run(name, {})).toMatchObject({ status: 'succeeded' });
    expect([(await stateOf(bad))[state], (await stateOf(good))[state]]).toEqual([false, true]);
    expect(await quarantined()).toMatchObject([{ source: `collections.${name}`, unit: bad, attempts: 1 }]);

    chain.intervene = async () => undefined;
    await run(name, {});
    expect((await stateOf(bad))[state]).toBe(false);
    await letRetry();
    await run(name, {});
    expect([(await stateOf(bad))[state], await quarantined()]).toEqual([true, []]);
  },
);

test('a collection that another run is syncing is left to it, and is not quarantined', async () => {
  await storeCollections();
  const lease = await takeLease(`collections.transfers:${bad}`);
  expect(await run('syncTransfers', {})).toMatchObject({ status: 'succeeded' });
  expect([(await stateOf(bad)).synced, (await stateOf(good)).synced, await quarantined()]).toEqual([false, true, []]);
  await releaseLease(lease, 'forget');
});

test('24 hourly verifications cover every collection, in equal shares', async () => {
  await q(
    `insert into collections.collections (address, token_type, deployed_block, token_count, owners_verified_at)
     select decode(lpad(to_hex(n), 40, '0'), 'hex'), 'ERC721', 1, 1, now() - interval '1 day' - make_interval(mins => n)
     from generate_series(1, 480) as n`,
  );
  answers(chain, (text) => text.includes('getownersforcontract'), { status: 200, json: { owners: [] } });
  await run('verifyOwnership', {});
  const [verified] = await q(
    `select count(*)::int as n, bool_and(address > decode(lpad(to_hex(456), 40, '0'), 'hex')) as oldest
     from collections.collections where owners_verified_at > now() - interval '1 hour'`,
  );
  // a twentieth of 480: the 24 of a day cover them all, and a fifth more
  expect(verified).toEqual({ n: 24, oldest: true });
});

test('one collection that the upstream keeps failing on does not pass for an outage; five in a row do', async () => {
  await storeCollections();
  const failing = { status: 503, json: {} };
  answers(chain, (text) => text.includes('transfers') && text.includes(bad), failing);
  expect(await run('syncTransfers', {})).toMatchObject({ status: 'succeeded' });
  await q('truncate platform.quarantine');
  for (const address of addresses.slice(0, 4))
    await q(
      `insert into collections.collections (address, completeness, deployed_block) values ($1, 'complete', 1)
       on conflict (address) do update set completeness = 'complete', deployed_block = 1, transfers_synced_at = null`,
      [bytes(address)],
    );
  answers(chain, (text) => text.includes('transfers'), failing);
  const job = await run('syncTransfers', {});
  expect(job).toMatchObject({ status: 'running', error: { code: 'upstream' } });
  expect((await quarantined()).length).toBe(5);
});

test('if many fail at once, the run fails after it has processed the others, and says so only once', async () => {
  await storeCollections();
  const many = Array.from({ length: 4 }, (_, i) => `0x${(0xbad00 + i).toString(16).padStart(40, '0')}`);
  for (const address of many)
    await q(`insert into collections.collections (address, completeness, deployed_block) values ($1, 'complete', 1)`, [
      bytes(address),
    ]);
  answers(chain, (text) => many.some((address) => text.includes(address)), { status: 400, json: {} });
  expect(await run('syncTransfers', {})).toMatchObject({
    status: 'failed',
    error: {
      code: 'integrity',
      message: expect.stringMatching(/^4 failed for the first time.*GET \/v1\/quarantine/),
    },
  });
  expect([(await stateOf(bad)).synced, (await stateOf(good)).synced]).toEqual([true, true]);
  await letRetry();
  expect(await run('syncTransfers', {})).toMatchObject({ status: 'succeeded' });
});

test('a user’s contract that is no NFT contract, or that fails, does not keep the others from being loaded', async () => {
  const user = alchemy.world.users[0]!;
  const held = [addresses[0]!, addresses[1]!, addresses[2]!];
  chain.intervene = async ({ path }, pass) => {
    if (path.includes('getContractsForOwner'))
      return {
        status: 200,
        json: { contracts: [...held.map((address) => ({ address })), { address: addresses[3], isSpam: true }] },
      };
    if (path.includes('getContractMetadata') && path.includes(held[0]!))
      return { status: 200, json: { ...(await pass()).json, tokenType: 'NO_SUPPORTED_NFT_STANDARD' } };
    if (path.includes('getContractMetadata') && path.includes(held[1]!)) return { status: 400, json: {} };
    return undefined;
  };
  expect(await run('loadUser', { fid: String(user.fid) })).toMatchObject({ status: 'succeeded' });
  const queued = (await drain(jobsQueue.url)) as { job: string; params: { address: string } }[];
  expect(queued.map(({ job, params }) => [job, params.address])).toEqual([['collections.loadCollection', held[2]]]);
  expect(await quarantined()).toMatchObject([{ source: 'collections.loadUser', unit: held[1] }]);
});

test('a user’s contract that has failed is not tried again before it is due', async () => {
  const { fid } = alchemy.world.users[0]!;
  const contract = addresses[1]!;
  let isFailing = true;
  chain.intervene = async ({ path }) => {
    if (path.includes('getContractsForOwner')) return { status: 200, json: { contracts: [{ address: contract }] } };
    return path.includes('getContractMetadata') && isFailing ? { status: 400, json: {} } : undefined;
  };
  const isLoaded = async () => {
    await run('loadUser', { fid: String(fid) });
    return (await drain(jobsQueue.url)).length > 0;
  };
  expect(await isLoaded()).toBe(false);
  isFailing = false;
  expect(await isLoaded()).toBe(false);
  await letRetry();
  expect([await isLoaded(), await quarantined()]).toEqual([true, []]);
});

async function storeUsers() {
  await storeCollections();
  const users = alchemy.world.users.slice(0, 6);
  for (const { fid, wallets } of users) {
    await q('insert into collections.fc_users (fid) values ($1)', [fid]);
    await q('insert into collections.fc_user_wallets values ($1, $2, now(), now())', [fid, bytes(wallets[0]!)]);
    await q(
      `insert into collections.user_collections (user_address, collection_id, token_count, amount, last_owned_at)
       select $1, id, 1, 1, now() from collections.collections limit 1 on conflict do nothing`,
      [bytes(wallets[0]!)],
    );
  }
  return users.map(({ fid }) => fid);
}
const refreshed = async () =>
  (await q(`select fid::int from collections.fc_users where refreshed_at is not null order by fid`)).map(
    ({ fid }) => fid,
  );

test('a malformed user costs itself alone, and keeps what is stored', async () => {
  const fids = await storeUsers();
  farcaster.intervene = async (_, pass) => {
    const reply = await pass();
    for (const user of reply.json.users)
      if (user.fid === fids[2]) user.verified_addresses.eth_addresses = ['not an address'];
    return reply;
  };
  expect(await run('syncUsers', {})).toMatchObject({ status: 'succeeded', rows_rejected: 1 });
  expect(await refreshed()).toEqual(fids.filter((fid) => fid !== fids[2]).sort((a, b) => a - b));
  expect(await quarantined()).toMatchObject([{ source: 'collections.syncUsers', unit: String(fids[2]) }]);

  farcaster.intervene = async () => undefined;
  await letRetry();
  await run('syncUsers', {});
  expect([await refreshed(), await quarantined()]).toEqual([fids.toSorted((a, b) => a - b), []]);
});

test('an id that Neynar refuses costs itself alone', async () => {
  const fids = await storeUsers();
  farcaster.intervene = async ({ path }) =>
    new URL(path, 'http://x').searchParams.get('fids')!.split(',').includes(String(fids[3]))
      ? { status: 400, json: { message: 'Invalid fid' } }
      : undefined;
  expect(await run('syncUsers', {})).toMatchObject({ status: 'succeeded' });
  expect(await refreshed()).toEqual(fids.filter((fid) => fid !== fids[3]).sort((a, b) => a - b));
});

test('users that Neynar leaves out are not asked for again at once', async () => {
  const fids = await storeUsers();
  let requests = 0;
  farcaster.intervene = async (_, pass) => {
    // ends a job that asks for ever
    if (++requests > 5) return { status: 403, json: {} };
    const { status, json } = await pass();
    return { status, json: { users: json.users.filter((user: { fid: number }) => user.fid !== fids[1]) } };
  };
  expect(await run('syncUsers', {})).toMatchObject({ status: 'succeeded' });
  expect([await refreshed(), await quarantined()]).toEqual([fids.toSorted((a, b) => a - b), []]);
});

test('fields that Neynar no longer sends keep their stored values', async () => {
  const [fid] = await storeUsers();
  await run('syncUsers', {});
  const profile = () => call(`/v1/users/${fid}`).then(({ json }) => json);
  const before = await profile();
  farcaster.intervene = async (_, pass) => {
    const { status, json } = await pass();
    return { status, json: { users: json.users.map((user: { fid: number }) => ({ fid: user.fid })) } };
  };
  await q(`update collections.fc_users set refreshed_at = now() - interval '2 days'`);
  await run('syncUsers', {});
  expect(await profile()).toEqual(before);
});
