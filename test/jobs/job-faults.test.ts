import { afterEach, expect, test, vi } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { platform } from '../../functions/platform/domain.ts';
import { jobs as platformJobs } from '../../functions/platform/jobs.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { createCaller } from '../support/api.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';
import { waitFor } from '../support/wait-for.ts';

const queue = await createQueue('jobs');
const { database } = await createCollections({
  QUEUES: '{}',
  JOBS_QUEUE_URL_COLLECTIONS_PROMPT: queue.url,
  JOBS_QUEUE_URL_COLLECTIONS_BULK: queue.url,
  JOBS_QUEUE_URL_PLATFORM_BULK: queue.url,
});
const { pool } = database;
const { handler } = await import('../../functions/platform/api.ts');
const call = createCaller(platform, handler as never);
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await drain(queue.url);
  await pool.query('delete from platform.jobs');
});

const rowOf = async (id: string) =>
  (await pool.query('select status, attempts, error from platform.jobs where id = $1', [id])).rows[0];
/** From here on SQS accepts no message for a lane. */
const breakQueue = (name: string) => vi.stubEnv(`JOBS_QUEUE_URL_${name}`, `${queue.url}-missing`);

test('continuations do not use up the attempts of a long job', async () => {
  const id = await enqueueJob(jobs.syncUsers, {}, 'test');
  let calls = 0;
  const run = stubEtl(collections, async () => {
    if (++calls <= 5) return 'continue';
    throw new Unavailable('The database is unavailable.');
  });
  for (let i = 0; i < 6; i++) for (const message of await drain(queue.url)) await run(message);
  expect([calls, await rowOf(id)]).toEqual([
    6,
    { status: 'running', attempts: 1, error: { code: 'unavailable', message: 'The database is unavailable.' } },
  ]);
});

test('a job whose continuation cannot be queued ends, or its message is delivered again', async () => {
  for (const attempts of [0, 4]) {
    const id = await enqueueJob(jobs.verifyOwnership, {}, 'test');
    await pool.query('update platform.jobs set attempts = $2 where id = $1', [id, attempts]);
    const [message] = await drain(queue.url);
    const { batchItemFailures } = await stubEtl(collections, async () => {
      breakQueue('COLLECTIONS_BULK');
      return 'continue';
    })(message);
    vi.unstubAllEnvs();
    const { status } = await rowOf(id);
    expect([attempts, status, batchItemFailures.length]).not.toEqual([attempts, 'running', 0]);
    await pool.query('delete from platform.jobs');
  }
});

test('a job that lost its message while it was running can be started again', async () => {
  const id = await enqueueJob(jobs.syncUsers, {}, 'test');
  const [message] = await drain(queue.url);
  await stubEtl(collections, async () => 'continue')(message);
  expect(await drain(queue.url)).toHaveLength(1);
  await pool.query(`update platform.jobs set lease_until = now() - interval '1 second'`);
  expect(await enqueueJob(jobs.syncUsers, {}, 'test')).toBe(id);
  expect(await drain(queue.url)).toMatchObject([{ jobId: id }]);
});

const event = { job: 'platform.maintainDatabase', requestedBy: 'event' };

test('an event that arrives during a run is not lost if SQS fails when the run ends', async () => {
  await enqueueJob(platformJobs.maintainDatabase, {}, 'the operator');
  const [message] = await drain(queue.url);
  let runs = 0;
  const run = stubEtl(platform, async () => {
    if (++runs > 1) return 'done';
    await stubEtl(platform, async () => 'done')(event);
    breakQueue('PLATFORM_BULK');
    return 'done';
  });
  expect((await run(message)).batchItemFailures).toHaveLength(1);
  vi.unstubAllEnvs();
  await run(message);
  for (const queued of await drain(queue.url)) await run(queued);
  const { rows } = await pool.query('select status from platform.jobs');
  expect([runs, rows]).toEqual([2, [{ status: 'succeeded' }, { status: 'succeeded' }]]);
});

test('an event that arrives during a run is not lost if the operator cancels the run', async () => {
  let runs = 0;
  const run = stubEtl(platform, async () => {
    if (++runs > 1) return 'done';
    await stubEtl(platform, async () => 'done')(event);
    const { rows } = await pool.query(`select id from platform.jobs where status = 'running'`);
    expect((await call(`/v1/admin/jobs/${rows[0].id}/cancel`, { method: 'POST' })).status).toBe(200);
    return 'done';
  });
  await run(event);
  for (const queued of await drain(queue.url)) await run(queued);
  expect(runs).toBe(2);
});

test('an uploaded file whose key names the id of another job does not run as that job', async () => {
  const id = await enqueueJob(jobs.loadUser, { fid: '7' }, 'test');
  const notice = { Records: [{ s3: { bucket: { name: 'b' }, object: { key: `collections/traits/${id}/x.csv` } } }] };
  await stubEtl(collections, async () => 'done')(notice);
  expect((await rowOf(id)).status).toBe('queued');
  const { rows } = await pool.query(`select job from platform.jobs where id <> $1`, [id]);
  expect(rows).toEqual([{ job: 'collections.import' }]);
});

test('parameters that are too large are rejected', async () => {
  const body = { job: 'collections.loadUser', params: { fid: '7'.repeat(4_000) } };
  expect((await call('/v1/admin/jobs', { method: 'POST', body })).status).toBe(400);
  const wide = { job: 'platform.verifyReplicas', params: { pad: 'x'.repeat(4_000) } };
  expect((await call('/v1/admin/jobs', { method: 'POST', body: wide })).status).toBe(400);
});

test('a worker whose invocation ended early does not keep the lease of its job', async () => {
  const real = globalThis.setInterval;
  // a heartbeat every 50 ms instead of every 30 s
  vi.spyOn(globalThis, 'setInterval').mockImplementation(((work: () => void, ms: number) =>
    real(work, ms === 30_000 ? 50 : ms)) as never);
  const { promise: never } = Promise.withResolvers<'done'>();
  const id = ulid();
  const message = { job: 'collections.syncUsers', jobId: id, requestedBy: 'test' };
  const { batchItemFailures } = await stubEtl(collections, () => never)(message, 1_000);
  expect(batchItemFailures).toHaveLength(1);
  await pool.query(`update platform.jobs set lease_until = now() - interval '1 minute'`);
  // several heartbeats later
  let beats = 0;
  await new Promise<void>((resolve) => {
    const timer = real(() => {
      if (++beats < 5) return;
      clearInterval(timer);
      resolve();
    }, 50);
  });
  let successors = 0;
  await stubEtl(collections, async () => {
    successors++;
    return 'done';
  })(message);
  expect([successors, (await rowOf(id)).status]).toEqual([1, 'succeeded']);
});

test('an invocation that ended early leaves no transaction open', async () => {
  const { promise: never } = Promise.withResolvers<void>();
  const handler = invocation().handler(() =>
    inTransaction(async (tx) => {
      await tx.query('lock table platform.watermarks in access exclusive mode');
      // what the transaction waits for does not matter here
      await tx.query('select 1').then(() => never);
    }),
  );
  await expect(handler({}, { getRemainingTimeInMillis: () => 800 } as never)).rejects.toMatchObject({
    code: 'deadline',
  });
  await waitFor('the lock to be released', async () => {
    const { rowCount } = await pool.query(
      `select from pg_locks where relation = 'platform.watermarks'::regclass and granted and mode = 'AccessExclusiveLock'`,
    );
    return rowCount === 0;
  });
});
