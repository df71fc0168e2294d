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
const event = (message: unknown) => ({ Records: [{ messageId: '1', body: JSON.stringify(message) }] }) as never;

/** The wallets' jobs function with one job of the test's own in place of the refresh. */
function withRefresh(refreshSnapshots: () => Promise<'done'>) {
  const never = async () => 'done' as const;
  const handlers = Object.fromEntries(Object.values(declared).map((job) => [job.name, handleJob(job, never)]));
  const datasets = Object.fromEntries(
    Object.values(wallets.datasets).map((dataset) => [dataset.key, { dataset, apply: never }]),
  );
  const refresh: JobHandler = handleJob(declared.refreshSnapshots, refreshSnapshots);
  return createEtl(wallets, { ...handlers, refreshSnapshots: refresh } as never, datasets as never);
}

/** A worker that has just started a job. */
async function started(jobId: string) {
  const { attempt, token } = (await startJob(jobId))!;
  return { jobId, attempt, token, deadline: new Date(Date.now() + 60_000) };
}

test('a job is started with its own parameters, once, and can be found', async () => {
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

test('a job is cancelled: its next batch does not commit; it can be retried', async () => {
  const { id } = await insertJob(declared.syncPrices, {}, 'test');
  const run = await started(id);
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

test('of two messages of one job the second leaves; a dead worker’s job is taken over when its lease expires', async () => {
  const { id } = await insertJob(declared.syncProfiles, {}, 'test');
  const first = await started(id);
  expect(first.attempt).toBe(1);
  expect(await startJob(id)).toBeUndefined();
  await extendLease(first);
  expect(await startJob(id)).toBeUndefined();
  await expireLease(id);
  const second = await started(id);
  expect(second.attempt).toBe(2);
  await releaseJob(second);
  expect((await started(id)).attempt).toBe(3);
});

test('a stalled worker changes nothing of the job that another has taken over', async () => {
  const { id } = await insertJob(declared.verifyHoldings, {}, 'test');
  const stalled = await started(id);
  await expireLease(id);
  const successor = await started(id);
  const counts = { read: 1, applied: 1, unchanged: 0, rejected: 0 };
  await expect(inTransaction((tx) => addProgress(tx, stalled, counts))).rejects.toMatchObject({ code: 'conflict' });
  await expireLease(id);
  const before = await database.pool.query('select * from platform.jobs where id = $1', [id]);
  await setStep(stalled, 'stalled');
  await extendLease(stalled);
  await releaseJob(stalled, 600);
  await endJob(stalled, { status: 'failed', error: { code: 'internal', message: 'stalled' } });
  expect((await database.pool.query('select * from platform.jobs where id = $1', [id])).rows).toEqual(before.rows);
  await inTransaction((tx) => addProgress(tx, successor, counts));
  await endJob(successor, { status: 'succeeded' });
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
});

test('an event that comes while its job runs makes it run once more', async () => {
  await drain(jobs.url);
  let runs = 0;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const etl = withRefresh(async () => {
    if (++runs === 1) {
      begin();
      await gate;
    }
    return 'done';
  });
  const message = { job: 'wallets.refreshSnapshots', requestedBy: 'event' };
  const first = etl(event(message), context);
  await begun;
  await Promise.all([etl(event(message), context), etl(event(message), context)]);
  expect(runs).toBe(1);
  open();
  await first;
  const [again, ...more] = await drain(jobs.url);
  expect(more).toEqual([]);
  await etl(event(again), context);
  expect([runs, await drain(jobs.url)]).toEqual([2, []]);
});

test('a schedule that comes while its job runs leaves it alone', async () => {
  const { id } = await insertJob(declared.rebuildSnapshots, {}, 'schedule');
  await startJob(id);
  await withRefresh(async () => 'done')(event({ job: 'wallets.rebuildSnapshots', requestedBy: 'schedule' }), context);
  expect([await drain(jobs.url), (await jobRow(id)).status]).toEqual([[], 'running']);
  expect(await requestAnotherRun(id)).toBe(true);
});

test('a job that was queued and whose message was lost is sent again', async () => {
  await insertJob(declared.syncMoments, declared.syncMoments.params.parse({}), 'test');
  const id = await enqueueJob(declared.syncMoments, {}, 'test');
  expect(await drain(jobs.url)).toMatchObject([{ jobId: id }]);
});

/** Wears the table down, and waits until the statistics tell of it. */
async function wear(n: number): Promise<void> {
  const client = await database.pool.connect();
  await client.query('update wallets.worn set n = $1', [n]);
  await waitFor('the statistics', async () => {
    await client.query('select pg_stat_force_next_flush()');
    const { rows } = await client.query(
      `select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'worn'`,
    );
    return rows[0].dead >= 20_000;
  });
  client.release();
}

beforeAll(async () => {
  await database.pool.query(
    'create table wallets.worn (id integer primary key, n integer) with (autovacuum_enabled = off)',
  );
  await database.pool.query('insert into wallets.worn select i, 0 from generate_series(1, 20000) i');
  await wear(1);
});

test('maintenance looks after what the statistics say, and reports it', async () => {
  // a snapshot that another suite, or the replica, still holds keeps dead rows from going: then they go the next time
  const first = await waitFor(
    'a vacuum that nobody holds up',
    async () => {
      await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
      const { json } = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
      expect(json.jobs[0].status).toBe('succeeded');
      const worn = json.jobs[0].result.tables.find(({ table }: { table: string }) => table === 'wallets.worn');
      expect(worn).toMatchObject({ action: 'vacuum analyze', deadRowsBefore: 20_000 });
      return worn.deadRowsAfter === 0;
    },
    45_000,
  );
  expect(first).toBe(true);
  await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
  const again = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
  expect(again.json.jobs[0].result.tables.map(({ table }: { table: string }) => table)).not.toContain('wallets.worn');
});

test('maintenance waits for nobody, and of two the second leaves', async () => {
  await wear(2);
  const client = await database.pool.connect();
  try {
    await client.query('begin; lock table wallets.worn in share row exclusive mode');
    await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
    const busy = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
    const worn = busy.json.jobs[0].result.tables.find(({ table }: { table: string }) => table === 'wallets.worn');
    expect(worn).toMatchObject({ left: 'user traffic held its lock', deadRowsAfter: worn.deadRowsBefore });
    await client.query('rollback; select pg_advisory_lock(7216305442)');
    await runMessage({ job: 'platform.maintainDatabase', requestedBy: 'test' });
    const second = await call('/v1/jobs?job=platform.maintainDatabase&limit=1');
    expect(second.json.jobs[0].result).toEqual({ skipped: 'Another maintenance run is in progress.' });
    await client.query('select pg_advisory_unlock_all()');
  } finally {
    client.release();
  }
});
