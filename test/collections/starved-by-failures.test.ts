/** Collections that always fail in the upstream’s own way do not come before all others. */
import { afterAll, expect, test } from 'vitest';
import { jobs } from '../../functions/collections/jobs.ts';
import { alchemy as declaredAlchemy } from '../../functions/upstreams/alchemy.ts';
import { startAlchemy } from '../../local/upstreams/alchemy.ts';
import { startUpstreamProxy } from '../../local/upstreams/proxy.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { createCollections } from '../support/collections.ts';
import { drain } from '../support/queues.ts';
import { createEmptyWorld } from '../support/small-chain.ts';
import { wallet } from '../support/transfers.ts';
import { testCredentials } from '../support/upstreams.ts';

const alchemy = await startAlchemy({ apiKey: testCredentials(declaredAlchemy).apiKey, world: createEmptyWorld() });
const chain = await startUpstreamProxy(alchemy.url);
const { runMessage, jobsQueue, database } = await createCollections({ UPSTREAM_ALCHEMY_URL: chain.url });
afterAll(() => Promise.all([chain, alchemy].map((server) => server.stop())));
declaredAlchemy.requestsPerSecond = 1_000;
const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

test('thirty collections of which Alchemy cannot list transfers do not keep a healthy one unsynced for hours', async () => {
  const failing = Array.from({ length: 30 }, (_, i) => wallet(0xbad000 + i));
  for (const address of [...failing, wallet(0x900d)])
    await q(
      `insert into collections.collections (address, completeness, deployed_block, transfers_synced_at) values ($1, 'complete', 1, $2)`,
      [Buffer.from(address.slice(2), 'hex'), address === wallet(0x900d) ? new Date(0) : null],
    );
  chain.intervene = async ({ body }) =>
    body?.method === 'alchemy_getAssetTransfers' && failing.includes(body.params[0].contractAddresses[0])
      ? // what Alchemy answers if its query times out
        { status: 200, json: { jsonrpc: '2.0', id: 1, error: { code: -32_000, message: 'query timeout' } } }
      : undefined;
  // one scheduled job, with all of its attempts; then the next one, a quarter of an hour later
  const ends: string[] = [];
  let fresh = false;
  for (let quarter = 0; quarter < 48 && !fresh; quarter++) {
    const id = await enqueueJob(jobs.syncTransfers, {}, 'test');
    await drain(jobsQueue.url);
    for (let status = ''; !['succeeded', 'failed'].includes(status); ) {
      await q('update platform.jobs set lease_until = null where id = $1', [id]);
      await runMessage({ job: 'collections.syncTransfers', jobId: id, params: {}, requestedBy: 'test' });
      [{ status }] = (await q('select status from platform.jobs where id = $1', [id])) as [{ status: string }];
      if (['succeeded', 'failed'].includes(status)) ends.push(status);
    }
    await q(`update platform.quarantine set retry_at = retry_at - interval '15 minutes'`);
    [{ fresh }] = (await q(
      `select transfers_synced_at > '2000-01-01' as fresh from collections.collections where address = $1`,
      [Buffer.from(wallet(0x900d).slice(2), 'hex')],
    )) as [{ fresh: boolean }];
  }
  // fresh after that many quarters of an hour; the soak allows two
  expect(ends.length).toBeLessThanOrEqual(2);
});
