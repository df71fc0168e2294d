/** A collection whose pages do not end leaves the others their turn. */
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

test.each([
  ['syncTransfers', 'transfers_synced_at'],
  ['verifyOwnership', 'owners_verified_at'],
] as const)('%s goes on to the others', async (name, column) => {
  await q('truncate platform.quarantine, platform.checkpoints, collections.collections, platform.jobs cascade');
  const [endless, healthy] = [wallet(0xbad), wallet(0x900d)];
  for (const address of [endless, healthy])
    await q(
      `insert into collections.collections (address, token_type, completeness, deployed_block, token_count, owners_verified_at)
       values ($1, 'ERC721', 'complete', 1, 1, $2)`,
      [Buffer.from(address.slice(2), 'hex'), name === 'verifyOwnership' && address === healthy ? new Date(0) : null],
    );
  if (name === 'verifyOwnership') await q(`update collections.collections set transfers_synced_at = now()`);
  let pages = 0;
  chain.intervene = async ({ path, body }) => {
    if (!`${path} ${JSON.stringify(body ?? '')}`.includes(endless)) return undefined;
    if (path.includes('getOwnersForContract'))
      return { status: 200, json: { owners: [], pageKey: `again ${++pages}` } };
    if (name === 'syncTransfers' && body?.method === 'alchemy_getAssetTransfers')
      return { status: 200, json: { jsonrpc: '2.0', id: 1, result: { transfers: [], pageKey: `again ${++pages}` } } };
    return undefined;
  };
  await enqueueJob(jobs[name], {}, 'test');
  // eight invocations of the function, each to its deadline
  for (let i = 0; i < 8; i++) for (const message of await drain(jobsQueue.url)) await runMessage(message, 2_000);
  const [job] = await q('select status, error from platform.jobs');
  const state = await q(
    `select '0x' || encode(address, 'hex') as address from collections.collections where ${column} > '2000-01-01'`,
  );
  expect({ pages: pages > 100, job, fresh: state }).toMatchObject({ pages: true, fresh: [{ address: healthy }] });
});
