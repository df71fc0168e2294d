/** A job that meets a rate limit or another run waits for as long as it takes. A job whose workers die does not. */
import { afterEach, expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { takeLease } from '../../shared/jobs/lease.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { PositionExpired, RateLimited, Unavailable } from '../../shared/kernel/errors.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';

const queue = await createQueue('jobs');
const { database } = await createCollections({ JOBS_QUEUE_URL_COLLECTIONS_BULK: queue.url });
const { pool } = database;
afterEach(async () => {
  await drain(queue.url);
  await pool.query('truncate platform.jobs, platform.checkpoints cascade');
});

async function queued() {
  const jobId = await enqueueJob(jobs.syncUsers, {}, 'test');
  await drain(queue.url);
  return { job: 'collections.syncUsers', jobId, requestedBy: 'test' };
}
const rowOf = async (id: string) =>
  (await pool.query('select status, attempts, error from platform.jobs where id = $1', [id])).rows[0];
const endLease = () => pool.query('update platform.jobs set lease_until = null');

test('a job outlasts a rate limit of any length, and then has all its attempts', async () => {
  const message = await queued();
  let error: Error = new RateLimited('alchemy: quota exceeded.', 'upstream', 86_400);
  const run = stubEtl(collections, async () => {
    throw error;
  });
  for (let i = 0; i < 8; i++) {
    await run(message);
    expect(await rowOf(message.jobId)).toEqual({
      status: 'running',
      attempts: 0,
      error: { code: 'rate_limited', message: 'alchemy: quota exceeded.' },
    });
    await endLease();
  }
  error = new Unavailable('The database is unavailable.');
  await run(message);
  expect(await rowOf(message.jobId)).toMatchObject({ status: 'running', attempts: 1, error: { code: 'unavailable' } });
});

test('a job that meets another run of its sync waits its turn', async () => {
  const message = await queued();
  const lease = await takeLease('the sync');
  const read = async function* () {
    yield { rows: [1], rejected: [], next: null };
  };
  const apply = async () => ({ applied: 1, unchanged: 0 });
  const run = stubEtl(collections, (context) => runSync({ name: 'the sync', read, apply }, context));
  await run(message);
  expect(await rowOf(message.jobId)).toMatchObject({ status: 'running', attempts: 0, error: { code: 'conflict' } });
  await pool.query('delete from platform.checkpoints where lease_token = $1', [lease.token]);
  await endLease();
  await run(message);
  expect(await rowOf(message.jobId)).toMatchObject({ status: 'succeeded', error: null });
});

test('a sync whose position upstream has forgotten reads again from the start, once per run', async () => {
  await pool.query(`insert into platform.checkpoints (name, position) values ('pages', '"old"')`);
  const positions: unknown[] = [];
  let forgets: (position: unknown) => boolean = (position) => position === 'old';
  const sync = {
    name: 'pages',
    async *read(position: unknown) {
      positions.push(position);
      if (forgets(position)) throw new PositionExpired('alchemy: the page key is no longer valid.');
      yield { rows: [1], rejected: [], next: null };
    },
    apply: async () => ({ applied: 1, unchanged: 0 }),
  };
  const run = stubEtl(collections, (context) => runSync(sync, context));
  const first = await queued();
  await run(first);
  expect([(await rowOf(first.jobId)).status, positions]).toEqual(['succeeded', ['old', null]]);
  forgets = () => true;
  const second = await queued();
  await run(second);
  expect([(await rowOf(second.jobId)).status, positions.length]).toEqual(['running', 4]);
});

test('a job whose worker was cut off each time fails at its last delivery, and can be asked for again', async () => {
  const message = await queued();
  let runs = 0;
  const run = stubEtl(collections, async () => {
    runs++;
    return 'done';
  });
  // four workers took the job and never came back
  await pool.query('update platform.jobs set attempts = 4, status = $1', ['running']);
  expect(await run(message, 600_000, 5)).toEqual({ batchItemFailures: [] });
  expect([runs, await rowOf(message.jobId)]).toEqual([
    0,
    {
      status: 'failed',
      attempts: 5,
      error: { code: 'deadline', message: expect.stringMatching(/^The worker was cut off 4 times/) },
    },
  ]);
  const again = await queued();
  expect(again.jobId).not.toBe(message.jobId);
  await run(again);
  expect([runs, (await rowOf(again.jobId)).status]).toEqual([1, 'succeeded']);
});

test('the last delivery of a message that no worker has begun is run', async () => {
  const message = await queued();
  await stubEtl(collections, async () => 'done')(message, 600_000, 5);
  expect((await rowOf(message.jobId)).status).toBe('succeeded');
});
