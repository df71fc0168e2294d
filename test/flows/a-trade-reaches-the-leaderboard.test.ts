import { afterAll, expect, test } from 'vitest';
import { followJob, type Job } from '../../local/follow-job.ts';
import { standIn as snowflake } from '../../local/upstreams/snowflake.ts';
import { startTestRuntime } from '../support/runtime.ts';
import { waitFor } from '../support/wait-for.ts';

const runtime = await startTestRuntime();
afterAll(() => runtime.stop());
const { url, adminToken } = runtime;
const { world } = runtime.upstreams.get(snowflake);
const get = async (path: string) => {
  const response = await fetch(url + path);
  return {
    // biome-ignore lint/suspicious/noExplicitAny: other tests validate the responses
    json: (await response.json()) as any,
    cache: response.headers.get('x-cache'),
    source: response.headers.get('x-source'),
  };
};
async function runJob(job: string, params: object = {}): Promise<Job> {
  const response = await fetch(`${url}/v1/admin/jobs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ job, params }),
  });
  const { jobId } = (await response.json()) as { jobId: string };
  return followJob(url, jobId, () => {});
}

test('a trade in the warehouse reaches the summary and the leaderboard', async () => {
  for (const job of ['wallets.syncMoments', 'wallets.syncPrices', 'wallets.syncHoldings'])
    expect([job, (await runJob(job)).status]).toEqual([job, 'succeeded']);
  await waitFor('the snapshots', async () => {
    const { json, source } = await get('/v1/leaderboards/wallets?limit=1');
    return json.wallets.length === 1 && source === null;
  });
  const wallet = world.wallets[2_000]!;
  const before = (await get(`/v1/wallets/${wallet}/summary`)).json.momentsTotal ?? 0;

  for (let moment = 0; moment < 40; moment++) world.trade(moment * 11, 2_000);
  const sync = await runJob('wallets.syncHoldings');
  expect([sync.status, sync.progress.applied]).toEqual(['succeeded', 40]);
  const after = await get(`/v1/wallets/${wallet}/summary`);
  const held = world.tables.get('WALLET_HOLDINGS')!.open();
  const expected = Array.from({ length: held.count }, (_, place) => held.row(place)[0]).filter(
    (one) => one === wallet,
  ).length;
  expect(expected).toBeGreaterThan(before);
  expect(after.json.momentsTotal).toBe(expected);
  const rank = await waitFor('the board', async () => {
    const { json } = await get(`/v1/leaderboards/wallets?limit=1&wallet=${wallet}`);
    return json.wallet?.value === String(expected) ? json.wallet.rank : undefined;
  });
  expect(rank).toBeGreaterThan(0);
  await waitFor('the snapshot', async () => (await get(`/v1/wallets/${wallet}/summary`)).source === null);
});

test('a large sync starts database maintenance, and all runs are listed', async () => {
  const maintained = await waitFor('the maintenance', async () => {
    const { json } = await get('/v1/jobs?job=platform.maintainDatabase&status=succeeded');
    return json.jobs[0];
  });
  expect(maintained).toMatchObject({ requestedBy: 'event', result: { tables: expect.any(Array) } });
  expect((await runJob('wallets.rebuildSnapshots')).status).toBe('succeeded');
  const { json } = await get('/v1/jobs?job=wallets.rebuildSnapshots');
  expect(json.jobs[0].result.drift).toEqual({ wallets: 0, teamCounts: 0, editions: 0 });
});
