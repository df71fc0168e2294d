import { beforeAll, expect, test } from 'vitest';
import { platform } from '../../functions/platform/domain.ts';
import { wallets } from '../../functions/wallets/domain.ts';
import { jobs as declared } from '../../functions/wallets/jobs.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { createEtl } from '../../shared/jobs/etl.ts';
import {
  addProgress,
  endJob,
  enqueueJob,
  extendLease,
  insertJob,
  releaseJob,
  requestAnotherRun,
  setStep,
  startJob,
} from '../../shared/jobs/job.ts';
import { handleJob, type JobHandler } from '../../shared/jobs/run-job.ts';
import { createCaller } from '../support/api.ts';
import { createQueue, drain } from '../support/queues.ts';
import { sqsEvent } from '../support/sqs-event.ts';
import { createTestDomain } from '../support/test-domain.ts';
import { waitFor } from '../support/wait-for.ts';

const jobs = await createQueue('wallets-jobs');
const { database, runMessage, jobRow } = await createTestDomain('platform', {
  QUEUES: '{}',
  JOBS_QUEUE_URL_WALLETS_PROMPT: jobs.url,
  JOBS_QUEUE_URL_WALLETS_BULK: jobs.url,
});
const { handler } = await import('../../functions/platform/api.ts');
const call = createCaller(platform, handler as never);
const post = (path: string, body?: unknown) => call(path, { method: 'POST', ...(body === undefined ? {} : { body }) });
const context = { getRemainingTimeInMillis: () => 600_000 } as never;

/** The wallets jobs function with a different handler for refreshSnapshots. */
function withRefresh(refreshSnapshots: () => Promise<'done'>) {
  const unused = async () => 'done' as const;
  const handlers = Object.fromEntries(Object.values(declared).map((job) => [job.name, handleJob(job, unused)]));
  const datasets = Object.fromEntries(
    Object.values(wallets.datasets).map((dataset) => [dataset.key, { dataset, apply: unused }]),
  );
  const refresh: JobHandler = handleJob(declared.refreshSnapshots, refreshSnapshots);
  return createEtl(wallets, { ...handlers, refreshSnapshots: refresh } as never, datasets as never);
}

/** Starts a job as a worker would. */
async function startRun(jobId: string) {
  const { attempt, token } = (await startJob(jobId))!;
  return { jobId, attempt, token, deadline: new Date(Date.now() + 60_000) };
}

test('the same request queues a job only once, with its parameters; invalid requests are rejected', async () => {
  const params = { mode: 'full', maxRemovedShare: 0.5 };
  const started = await post('/v1/admin/jobs', { job: 'wallets.syncHoldings', params });
  expect(started.status).toBe(202);
  expect((await post('/v1/admin/jobs', { job: 'wallets.syncHoldings', params })).json.jobId).toBe(started.json.jobId);
  expect(await drain(jobs.url)).toContainEqual(expect.objectContaining({ job: 'wallets.syncHoldings', params }));
  const { json } = await call('/v1/jobs?job=wallets.syncHoldings&status=queued');
  expect(json.jobs).toMatchObject([{ id: started.json.jobId, params, requestedBy: 'the operator', status: 'queued' }]);
  for (const [body, status] of [
    [{ job: 'wallets.nothing' }, 404],
    [{ job: 'nothing.syncHoldings' }, 404],
    [{ job: 'wallets.syncHoldings', params: { mode: 'half' } }, 400],
    [{ job: 'wallets.syncHoldings', params: { removeMost: 1 } }, 400],
  ] as const)
    expect([body, (await post('/v1/admin/jobs', body)).status]).toEqual([body, status]);
});

test('a cancelled job commits no further batch, and can be retried', async () => {
  const { id } = await insertJob(declared.syncPrices, {}, 'test');
  const run = await startRun(id);
  expect((await post(`/v1/admin/jobs/${id}/retry`)).status).toBe(409);
  expect((await post(`/v1/admin/jobs/${id}/cancel`)).json.status).toBe('cancelled');
  const batch = inTransaction(async (tx) => {
    await tx.query(`insert into wallets.sets values (1, 'x')`);
    await addProgress(tx, run, { read: 1, applied: 1, unchanged: 0, rejected: 0 });
  });
  await expect(batch).rejects.toMatchObject({ code: 'conflict' });
  expect((await database.pool.query('select 1 from wallets.sets')).rowCount).toBe(0);
  expect((await call(`/v1/jobs/${id}`)).json).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  expect((await post(`/v1/admin/jobs/${id}/cancel`)).status).toBe(409);
  const retried = await post(`/v1/admin/jobs/${id}/retry`);
  expect([retried.status, retried.json.jobId === id]).toEqual([202, false]);
  expect((await post('/v1/admin/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel')).status).toBe(404);
});

const expireLease = (id: string) =>
  database.pool.query(`update platform.jobs set lease_until = now() - interval '1 second' where id = $1`, [id]);

test('a second message does not start a running job; after its lease expires, another worker may', async () => {
  const { id } = await insertJob(declared.syncProfiles, {}, 'test');
  const first = await startRun(id);
  expect(first.attempt).toBe(1);
  expect(await startJob(id)).toBeUndefined();
  await extendLease(first);
  expect(await startJob(id)).toBeUndefined();
  await expireLease(id);
  const second = await startRun(id);
  expect(second.attempt).toBe(2);
  await releaseJob(second, { dueInSeconds: 0, attempts: 2 });
  expect((await startRun(id)).attempt).toBe(3);
});

test('a stalled worker cannot change a job that another worker has taken over', async () => {
  const { id } = await insertJob(declared.syncPrices, {}, 'test');
  const stalledRun = await startRun(id);
  await expireLease(id);
  const newRun = await startRun(id);
  const counts = { read: 1, applied: 1, unchanged: 0, rejected: 0 };
  await expect(inTransaction((tx) => addProgress(tx, stalledRun, counts))).rejects.toMatchObject({ code: 'conflict' });
  await expireLease(id);
  const before = await database.pool.query('select * from platform.jobs where id = $1', [id]);
  await setStep(stalledRun, 'stalled');
  await extendLease(stalledRun);
  await releaseJob(stalledRun, { dueInSeconds: 600, attempts: 0 });
  await endJob(stalledRun, { status: 'failed', error: { code: 'internal', message: 'stalled' } });
  expect((await database.pool.query('select * from platform.jobs where id = $1', [id])).rows).toEqual(before.rows);
  await inTransaction((tx) => addProgress(tx, newRun, counts));
  await endJob(newRun, { status: 'succeeded' });
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
});

test('events during a run start its job once more', async () => {
  await drain(jobs.url);
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const etl = withRefresh(async () => {
    if (++runs === 1) {
      started.resolve();
      await gate.promise;
    }
    return 'done';
  });
  const message = { job: 'wallets.refreshSnapshots', requestedBy: 'event' };
  const first = etl(sqsEvent(message), context);
  await started.promise;
  await Promise.all([etl(sqsEvent(message), context), etl(sqsEvent(message), context)]);
  expect(runs).toBe(1);
  gate.resolve();
  await first;
  const [again, ...more] = await drain(jobs.url);
  expect(more).toEqual([]);
  await etl(sqsEvent(again), context);
  expect([runs, await drain(jobs.url)]).toEqual([2, []]);
});

test('a schedule during a run does not start its job again', async () => {
  const { id } = await insertJob(declared.rebuildSnapshots, {}, 'schedule');
  await startJob(id);
  await withRefresh(async () => 'done')(
    sqsEvent({ job: 'wallets.rebuildSnapshots', requestedBy: 'schedule' }),
    context,
  );
  expect([await drain(jobs.url), (await jobRow(id)).status]).toEqual([[], 'running']);
  expect(await requestAnotherRun(id)).toBe(true);
});

test('a queued job whose message was lost is sent again', async () => {
  await insertJob(declared.syncMoments, declared.syncMoments.params.parse({}), 'test');
  const id = await enqueueJob(declared.syncMoments, {}, 'test');
  expect(await drain(jobs.url)).toMatchObject([{ jobId: id }]);
});

/** Updates every row, and waits until the statistics count the dead rows. */
async function createDeadRows(n: number): Promise<void> {
  const client = await database.pool.connect();
  await client.query('update wallets.bloated set n = $1', [n]);
  await waitFor('the statistics', async () => {
    await client.query('select pg_stat_force_next_flush()');
    const { rows } = await client.query(
      `select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'bloated'`,
    );
    return rows[0].dead >= 20_000;
  });
  client.release();
}

beforeAll(async () => {
  await database.pool.query(
    'create table wallets.bloated (id integer primary key, n integer) with (autovacuum_enabled = off)',
  );
  await database.pool.query('insert into wallets.bloated select i, 0 from generate_series(1, 20000) i');
  await createDeadRows(1);
});

test('maintenance vacuums the tables with many dead rows, and reports it', async () => {
  // if another suite or the replica still has an old snapshot, dead rows stay until the next vacuum
  const first = await waitFor(
    'a vacuum that removes the dead rows',
    async () => {
      await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
      const { json } = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
      expect(json.jobs[0].status).toBe('succeeded');
      const bloated = json.jobs[0].result.tables.find(({ table }: { table: string }) => table === 'wallets.bloated');
      expect(bloated).toMatchObject({ action: 'vacuum analyze', deadRowsBefore: 20_000 });
      return bloated.deadRowsAfter === 0;
    },
    45_000,
  );
  expect(first).toBe(true);
  await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
  const again = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
  expect(again.json.jobs[0].result.tables.map(({ table }: { table: string }) => table)).not.toContain(
    'wallets.bloated',
  );
});

test('maintenance skips locked tables, and does not run twice at once', async () => {
  await createDeadRows(2);
  const client = await database.pool.connect();
  try {
    await client.query('begin; lock table wallets.bloated in share row exclusive mode');
    await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
    const busy = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
    const bloated = busy.json.jobs[0].result.tables.find(({ table }: { table: string }) => table === 'wallets.bloated');
    expect(bloated).toMatchObject({ left: 'user traffic held its lock', deadRowsAfter: bloated.deadRowsBefore });
    await client.query(`rollback; select pg_advisory_lock(hashtextextended('maintenance', 0))`);
    await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
    const second = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
    expect(second.json.jobs[0].result).toEqual({ skipped: 'Another maintenance run is in progress.' });
    await client.query('select pg_advisory_unlock_all()');
  } finally {
    client.release();
  }
});
