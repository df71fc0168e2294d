import { afterEach, expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { releaseLease, takeLease } from '../../shared/jobs/lease.ts';
import { jobNameOf, schedulesOf } from '../../shared/kernel/job.ts';
import { storedHoldings, warehouseHoldings } from '../support/holdings.ts';
import { drain } from '../support/queues.ts';
import { createWallets } from '../support/wallets.ts';

const { warehouse, runMessage, runJob, jobsQueue, database } = await createWallets({
  moments: 600,
  wallets: 40,
  editions: 20,
  scrapes: 1,
});
const { world, behavior } = warehouse;
behavior.rowsPerPartition = 100;
behavior.pollsBeforeResult = 0;

const [changes, all] = schedulesOf(jobs.syncHoldings).map(({ params = {} }) => ({
  job: jobNameOf(jobs.syncHoldings),
  requestedBy: 'schedule',
  params,
}));
/** The latest job of a mode. */
const jobOf = async (mode: string) =>
  (
    await database.pool.query(
      `select id, status, attempts, error, result from platform.jobs
       where job = 'wallets.syncHoldings' and params ->> 'mode' = $1 order by created_at desc limit 1`,
      [mode],
    )
  ).rows[0];
const busy = {
  status: 'running',
  attempts: 0,
  error: { code: 'conflict', message: 'Another run of wallets.WALLET_HOLDINGS is in progress.' },
};
/** What SQS does after the delay of its message: the job's lease ends, and the message arrives. */
const arrives = async (message: object, mode: string) => {
  const { id } = await jobOf(mode);
  await database.pool.query(`update platform.jobs set lease_until = now() where id = $1`, [id]);
  await runMessage({ ...message, jobId: id });
};
afterEach(() => drain(jobsQueue.url));

test('the full sync of the night that meets the one of the quarter-hour runs after it', async () => {
  const lease = await takeLease('wallets.WALLET_HOLDINGS');
  for (let i = 0; i < 7; i++) {
    if (i === 0) await runMessage(all);
    else await arrives(all!, 'full');
    expect(await jobOf('full')).toMatchObject(busy);
  }
  await releaseLease(lease, 'forget');
  await arrives(all!, 'full');
  expect(await jobOf('full')).toMatchObject({ status: 'succeeded', result: { mode: 'full' } });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('a sync that is between two messages keeps its place, and the other one runs after it', async () => {
  for (let i = 0; i < 300; i++) world.trade(i, (i * 7) % 40);
  await runMessage(changes, 0);
  expect(await jobOf('incremental')).toMatchObject({ status: 'running', error: null });
  const { statements } = warehouse.counts;
  await runMessage(all);
  expect(await jobOf('full')).toMatchObject(busy);
  await arrives(changes!, 'incremental');
  expect(await jobOf('incremental')).toMatchObject({ status: 'succeeded', result: { mode: 'incremental' } });
  // it went on with its statement
  expect(warehouse.counts.statements).toBe(statements);
  await arrives(all!, 'full');
  expect(await jobOf('full')).toMatchObject({ status: 'succeeded', result: { mode: 'full', removed: 0 } });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});

test('nobody waits for a sync whose message was lost', async () => {
  for (let i = 0; i < 300; i++) world.trade(i, (i * 11) % 40);
  await runMessage(changes, 0);
  await drain(jobsQueue.url);
  await database.pool.query(
    `update platform.jobs set lease_until = now() - interval '20 minutes' where status = 'running'`,
  );
  expect(await runJob('syncHoldings', { mode: 'full' })).toMatchObject({ status: 'succeeded' });
  expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
});
