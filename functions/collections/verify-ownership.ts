import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { syncOwnersOf } from './sync-owners.ts';

const oldAfterHours = 24;
const collectionsARun = 20;

/**
 * The job: the collections with the owners verified longest ago are read from upstream again, and what has drifted is
 * healed; at most 20 a run, each once a day at most.
 *
 * @source Alchemy getOwnersForContract
 */
export async function verifyOwnership({ jobId, deadline, step }: JobContext): Promise<'done' | 'continue'> {
  const rows = await query<{ address: string }>(
    sql`select collections.name_of(address, slug) as address from collections.collections
        where address is not null and deployed_block is not null and token_count > 0
          and coalesce(owners_verified_at, '-infinity') < now() - make_interval(hours => ${oldAfterHours}::integer)
        order by owners_verified_at nulls first limit ${collectionsARun}`,
    'sync',
  );
  for (const { address } of rows) {
    await step(address);
    const outcome = await syncOwnersOf(address, { jobId, deadline });
    if (outcome === 'continue' || Date.now() >= deadline.getTime()) return 'continue';
  }
  return 'done';
}
