import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { insertJob } from '../../shared/jobs/job.ts';
import { storedHoldings, warehouseHoldings } from '../support/holdings.ts';
import { createWallets } from '../support/wallets.ts';

const size = { moments: 12_000, wallets: 900, editions: 60, scrapes: 1 };
const { warehouse, database, jobRow, runJob } = await createWallets(size);
warehouse.behavior.rowsPerPartition = 400;
const kills = 20;

/** Runs a message in a new process and kills it after a time. Returns whether it was killed before it ended. */
async function runAndKill(message: object, afterMs: number | undefined): Promise<boolean> {
  const child = spawn('node', ['test/support/run-message.ts', JSON.stringify(message)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>;
  await Promise.race([once(child.stdout, 'data'), exited]);
  const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [code, signal] = await exited;
  clearTimeout(timer);
  if (signal === null) expect(code).toBe(0);
  return signal === 'SIGKILL';
}

/** Expires the leases of the killed process. */
async function expireLeases(): Promise<void> {
  await database.pool.query(
    `update platform.jobs set lease_until = now() - interval '1 second' where lease_until is not null`,
  );
  await database.pool.query(
    `update platform.checkpoints set lease_until = now() - interval '1 second' where lease_until is not null`,
  );
}

test('a sync killed at twenty random times ends with the same rows, and announces each of them', async () => {
  await runJob('syncMoments');
  let killed = 0;
  let runs = 0;
  while (killed < kills) {
    const { id } = await insertJob(jobs.syncHoldings, { mode: 'full', maxRemovedShare: 0.05 }, `run ${++runs}`);
    const message = {
      job: 'wallets.syncHoldings',
      jobId: id,
      params: { mode: 'full', maxRemovedShare: 0.05 },
      requestedBy: 'test',
    };
    // each run has rows to move and to remove
    for (let i = 0; i < 300; i++) warehouse.world.trade((i * 37 + runs) % 8_000, (i + runs) % 900);
    for (let i = 0; i < 40; i++) warehouse.world.remove(9_000 + runs * 40 + i);
    for (;;) {
      const wasKilled = await runAndKill(message, killed < kills ? Math.random() * 700 : undefined);
      if (!wasKilled) break;
      killed++;
      await expireLeases();
    }
    expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_rejected: 0 });
    expect(await storedHoldings(database.pool)).toEqual(warehouseHoldings(warehouse));
  }
  expect(killed).toBe(kills);
  const { rows } = await database.pool.query(`
    with announced as (
      select distinct xid::text as xid, entity from platform.outbox, unnest(entities) as entity where type = 'holdings_changed')
    select count(*)::int as unannounced from wallets.wallet_holdings h
    where not exists (select 1 from announced a
                      where a.xid = h.xmin::text and a.entity = 'wallets:' || wallets.wallet_name(h.wallet_address))`);
  expect(rows).toEqual([{ unannounced: 0 }]);
  await runJob('refreshSnapshots');
  expect((await runJob('rebuildSnapshots')).result).toMatchObject({
    drift: { wallets: 0, teamCounts: 0, editions: 0 },
  });
}, 180_000);
