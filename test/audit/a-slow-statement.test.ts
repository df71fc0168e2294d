/** Audit: the full sync of the night whose statement takes longer than the lease of its checkpoint. */
import { expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { jobNameOf, schedulesOf } from '../../shared/kernel/job.ts';
import { waitFor } from '../support/wait-for.ts';
import { createWallets } from '../support/wallets.ts';

const { warehouse, runMessage, database } = await createWallets({
  moments: 300,
  wallets: 20,
  editions: 10,
  scrapes: 1,
});
const [changes, all] = schedulesOf(jobs.syncHoldings).map(({ params = {} }) => ({
  job: jobNameOf(jobs.syncHoldings),
  requestedBy: 'schedule',
  params,
}));
const q = async (text: string) => (await database.pool.query(text)).rows;
const statusOf = async (mode: string) =>
  (
    await q(`select status, error from platform.jobs where job = 'wallets.syncHoldings' and params ->> 'mode' = '${mode}'
    order by created_at desc limit 1`)
  )[0];

test('a full sync that waits for its statement for more than two minutes is not cancelled by the incremental one', async () => {
  warehouse.behavior.pollsBeforeResult = 0;
  await runMessage(changes);
  warehouse.behavior.pollsBeforeResult = 6;
  const full = runMessage(all);
  await waitFor(
    'the full sync',
    async () => (await q('select 1 from platform.checkpoints where lease_token is not null')).length > 0,
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  // two minutes pass: nothing extends the lease while Snowflake works
  await q(`update platform.checkpoints set lease_until = clock_timestamp() - interval '1 second'`);
  warehouse.behavior.pollsBeforeResult = 0;
  await runMessage(changes);
  const incremental = await statusOf('incremental');
  await full;
  expect([await statusOf('full'), incremental]).toMatchObject([
    { status: 'succeeded' },
    { status: 'running', error: { message: expect.stringMatching(/in progress/) } },
  ]);
});
