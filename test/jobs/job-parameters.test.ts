import { expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { platform } from '../../functions/platform/domain.ts';
import { jobs as wallets } from '../../functions/wallets/jobs.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { createCaller } from '../support/api.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';

const [prompt, bulk] = [await createQueue('prompt'), await createQueue('bulk')];
const { database } = await createCollections({
  QUEUES: '{}',
  JOBS_QUEUE_URL_COLLECTIONS_PROMPT: prompt.url,
  JOBS_QUEUE_URL_COLLECTIONS_BULK: bulk.url,
  JOBS_QUEUE_URL_WALLETS_BULK: bulk.url,
});
const { handler } = await import('../../functions/platform/api.ts');
const call = createCaller(platform, handler as never);
const start = (job: string, params: object) => call('/v1/admin/jobs', { method: 'POST', body: { job, params } });
const upper = `0x${'AB'.repeat(20)}`;

/** The jobs function of collections, in which `loadCollection` records the addresses it gets. */
function recordingEtl() {
  const seen: string[] = [];
  const run = stubEtl(collections, async ({ params }) => {
    if ('address' in params) seen.push(params.address);
    return 'done';
  });
  return { seen, run };
}

test('an upper-case address identifies the same job, and its handler gets it in lower case', async () => {
  const { json: first } = await start('collections.loadCollection', { address: upper });
  const { json: second } = await start('collections.loadCollection', { address: upper.toLowerCase() });
  expect(second.jobId).toBe(first.jobId);
  const { seen, run } = recordingEtl();
  for (const message of await drain(prompt.url)) await run(message);
  expect(seen).toEqual([upper.toLowerCase()]);
  await run({ job: 'collections.loadCollection', params: { address: upper }, requestedBy: 'a schedule' });
  const { rows } = await database.pool.query(
    `select params from platform.jobs where job = 'collections.loadCollection'`,
  );
  expect(rows).toEqual(Array(2).fill({ params: { address: upper.toLowerCase() } }));
});

test('a job without parameters is the same as one with its defaults', async () => {
  const { json: first } = await start('wallets.syncHoldings', {});
  const { json: second } = await start('wallets.syncHoldings', { mode: 'incremental' });
  expect(second.jobId).toBe(first.jobId);
  expect((await start('wallets.syncHoldings', { mode: 'full' })).json.jobId).not.toBe(first.jobId);
  expect(wallets.syncHoldings.params.parse({})).toEqual({ mode: 'incremental', maxRemovedShare: 0.05 });
});

test('invalid parameters are rejected by name, and fail a job that arrives as a message', async () => {
  const refused = await start('collections.loadCollection', { address: '0x12', more: 1 });
  expect([refused.status, refused.json.errors]).toEqual([
    400,
    [
      { field: 'params.address', message: 'must be 0x and 40 hex digits' },
      { field: 'params', message: expect.stringContaining('more') },
    ],
  ]);
  const { run } = recordingEtl();
  await run({ job: 'collections.loadCollection', params: { address: '0x12' }, requestedBy: 'test' });
  const { rows } = await database.pool.query(
    `select status, error from platform.jobs where params = '{"address":"0x12"}'`,
  );
  expect(rows).toEqual([
    {
      status: 'failed',
      error: { code: 'invalid_input', message: expect.stringContaining('params.address must be 0x') },
    },
  ]);
});

test('each job is sent to the queue of its lane', async () => {
  await drain(prompt.url);
  await drain(bulk.url);
  await enqueueJob(jobs.loadUser, { fid: '7' }, 'test');
  await enqueueJob(jobs.syncUsers, {}, 'test');
  expect(await drain(prompt.url)).toMatchObject([{ job: 'collections.loadUser' }]);
  expect(await drain(bulk.url)).toMatchObject([{ job: 'collections.syncUsers' }]);
});

test('a message for an unknown job is delivered again', async () => {
  const { run } = recordingEtl();
  expect(await run({ job: 'wallets.syncHoldings', requestedBy: 'test' })).toEqual({
    batchItemFailures: [{ itemIdentifier: '1' }],
  });
});
