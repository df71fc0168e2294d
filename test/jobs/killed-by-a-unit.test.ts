/** A unit that costs its workers the process is quarantined, and the others have their turn. */

import sql from 'sql-template-tag';
import { expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { jobs } from '../../functions/collections/jobs.ts';
import { query } from '../../shared/db/read.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { isDue, processUnits } from '../../shared/jobs/quarantine.ts';
import { createCollections } from '../support/collections.ts';
import { createQueue, drain } from '../support/queues.ts';
import { stubEtl } from '../support/stub-etl.ts';

const queue = await createQueue('jobs');
const { database } = await createCollections({ JOBS_QUEUE_URL_COLLECTIONS_BULK: queue.url });

test('a unit on which five workers died is left out of the next run', async () => {
  const tried: string[] = [];
  const done: string[] = [];
  // as syncTransfers: the oldest first, those that are not due left out
  const etl = stubEtl(collections, async ({ step, ...run }) => {
    const units = await query<{ unit: string }>(
      sql`select unit from unnest(array['killer', 'healthy']) as u (unit) where ${isDue(jobs.syncTransfers, sql`unit`)}`,
      'sync',
    );
    return processUnits(
      jobs.syncTransfers,
      run,
      units.map(({ unit }) => unit),
      async (unit) => {
        await step(unit);
        tried.push(unit);
        // out of memory: the process is gone, and nothing after this line happens
        if (unit === 'killer') await new Promise(() => {});
        done.push(unit);
        return 'done';
      },
    );
  });
  for (let round = 0; round < 2; round++) {
    const jobId = await enqueueJob(jobs.syncTransfers, {}, 'test');
    await drain(queue.url);
    for (let receives = 1; receives <= 5; receives++) {
      const run = etl({ job: 'collections.syncTransfers', jobId, requestedBy: 'test' }, 600_000, receives);
      await Promise.race([run, new Promise((resolve) => setTimeout(resolve, 500))]);
      await database.pool.query('update platform.jobs set lease_until = null');
    }
  }
  expect({ done: done.includes('healthy'), tries: tried.length }).toMatchObject({ done: true });
});
