import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { isDue, processUnits } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { syncCollectionOwners } from './sync-owners.ts';
import { takeTurn } from './take-turn.ts';

const runsPerDay = 24;
const verifyAfterHours = 20;
/** Small installations are verified in a few runs. */
const minCollections = 20;

/**
 * Reads the owners verified longest ago from upstream again, and corrects drift. Each hourly run takes its share of all
 * collections and a fifth more, so that each is verified once a day and the requests are spread over the day.
 *
 * @source Alchemy getOwnersForContract
 */
export const verifyOwnership = handleJob(jobs.verifyOwnership, async ({ step, ...run }) => {
  const rows = await query<{ address: string }>(
    sql`with verifiable as (
          select id, address, slug, owners_verified_at, owners_tried_at from collections.collections
          where address is not null and deployed_block is not null and token_count > 0
        )
        select collections.name_of(address, slug) as address from verifiable
        where coalesce(owners_verified_at, '-infinity') < now() - make_interval(hours => ${verifyAfterHours}::integer)
          and ${isDue(jobs.verifyOwnership, sql`collections.name_of(address, slug)`)}
        order by owners_tried_at nulls first, owners_verified_at nulls first, id
        limit (select greatest(${minCollections}::integer, ceil(count(*) * 1.2 / ${runsPerDay}::integer)) from verifiable)`,
    'sync',
  );
  const addresses = rows.map(({ address }) => address);
  return processUnits(jobs.verifyOwnership, run, addresses, async (address) => {
    await step(address);
    await takeTurn('owners_tried_at', address);
    return syncCollectionOwners(address, run);
  });
});
