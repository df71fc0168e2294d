import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { syncCollectionOwners } from './sync-owners.ts';

const verifyAfterHours = 24;
const maxCollections = 20;

/**
 * Reads the owners verified longest ago from upstream again, and corrects drift: at most 20 collections per run, each at
 * most once a day.
 *
 * @source Alchemy getOwnersForContract
 */
export const verifyOwnership = handleJob(jobs.verifyOwnership, async ({ step, ...run }) => {
  const rows = await query<{ address: string }>(
    sql`select collections.name_of(address, slug) as address from collections.collections
        where address is not null and deployed_block is not null and token_count > 0
          and coalesce(owners_verified_at, '-infinity') < now() - make_interval(hours => ${verifyAfterHours}::integer)
        order by owners_verified_at nulls first limit ${maxCollections}`,
    'sync',
  );
  for (const { address } of rows) {
    await step(address);
    const outcome = await syncCollectionOwners(address, run);
    if (outcome === 'continue' || Date.now() >= run.deadline.getTime()) return 'continue';
  }
  return 'done';
});
