import { afterEach, expect, test, vi } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { InvalidInput, RateLimited, Unavailable } from '../../shared/kernel/errors.ts';
import { correlationId } from '../../shared/observability/correlation.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';
import { waitFor } from '../support/wait-for.ts';

const queue = await createQueue('jobs');
const { database } = await createCollections({ JOBS_QUEUE_URL_COLLECTIONS_BULK: queue.url });
const { pool } = database;
afterEach(async () => {
  vi.useRealTimers();
  await drain(queue.url);
  await pool.query('delete from platform.jobs');
});

async function queued() {
  const jobId = await enqueueJob(jobs.syncUsers, {}, 'test');
  await drain(queue.url);
  return { job: 'collections.syncUsers', jobId, requestedBy: 'test' };
}
/** A job and the seconds until its lease ends. */
const rowOf = async (id: string) =>
  (
    await pool.query(
      `select status, attempts, error, extract(epoch from lease_until - now())::float8 as seconds
       from platform.jobs where id = $1`,
      [id],
    )
  ).rows[0];
const endLease = () => pool.query('update platform.jobs set lease_until = null');
const failing = (error: Error) =>
  stubEtl(collections, async () => {
    throw error;
  });

test('the fifth failed attempt is the last one', async () => {
  const message = await queued();
  const run = failing(new Unavailable('The database is unavailable.'));
  for (let attempt = 1; attempt <= 4; attempt++) {
    await run(message);
    expect(await rowOf(message.jobId)).toMatchObject({ status: 'running', attempts: attempt });
    await endLease();
  }
  await run(message);
  expect(await rowOf(message.jobId)).toMatchObject({ status: 'failed', attempts: 5, error: { code: 'unavailable' } });
});

test('a failed job is counted for the alarm on its function, under no other dimension', async () => {
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  await failing(new InvalidInput('The file is empty.'))(await queued());
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  const counted = written.filter((line) => line.includes('"JobsFailed":')).map((line) => JSON.parse(line));
  expect(counted).toMatchObject([
    {
      JobsFailed: 1,
      service: expect.anything(),
      _aws: { CloudWatchMetrics: [{ Namespace: 'Tributary', Dimensions: [['service']] }] },
    },
  ]);
});

test('no worker can take a job before its retry is due', async () => {
  const message = await queued();
  await failing(new Unavailable('The database is unavailable.'))(message);
  let runs = 0;
  const again = stubEtl(collections, async () => {
    runs++;
    return 'done';
  });
  await again(message);
  expect(runs).toBe(0);
  await endLease();
  await again(message);
  expect(runs).toBe(1);
});

test('a rate-limited job waits as long as the upstream asks, but no longer than 15 minutes', async () => {
  for (const [asked, atLeast, atMost] of [
    [300, 280, 300],
    [7_200, 880, 900],
  ] as const) {
    const message = await queued();
    const answer = await failing(new RateLimited('Quota exceeded.', 'upstream', asked))(message);
    const { status, seconds } = await rowOf(message.jobId);
    expect([answer, status]).toEqual([{ batchItemFailures: [] }, 'running']);
    expect([asked, seconds > atLeast, seconds <= atMost]).toEqual([asked, true, true]);
    await pool.query('delete from platform.jobs');
  }
});

test('a job that runs for long keeps its lease', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const message = await queued();
  await stubEtl(collections, async () => {
    await pool.query(`update platform.jobs set lease_until = now() + interval '1 second'`);
    // half the duration of a lease
    await vi.advanceTimersByTimeAsync(60_000);
    await waitFor('a longer lease', async () => (await rowOf(message.jobId)).seconds > 60);
    return 'done';
  })(message);
  expect((await rowOf(message.jobId)).status).toBe('succeeded');
});

test('a job runs under the correlation id of the request that queued it', async () => {
  const seen: string[] = [];
  const run = stubEtl(collections, async () => {
    seen.push(correlationId());
    return 'done';
  });
  await run({ ...(await queued()), correlationId: 'the-request' });
  expect(seen).toEqual(['the-request']);
});
