import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { JobContext } from '../../shared/jobs/etl.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { pagesOf } from './pages-of.ts';
import { recordOwners } from './record-owners.ts';
import { getAlchemy } from './upstreams.ts';

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
    sql`select collections.name_of(c.address, c.slug) as address
        from collections.collections c,
          lateral (select o.last_verified_at from collections.nfts n join collections.nft_ownership o on o.nft_id = n.id
                   where n.collection_id = c.id order by o.last_verified_at nulls first limit 1) as oldest
        where c.address is not null and c.deployed_block is not null
          and coalesce(oldest.last_verified_at, '-infinity') < now() - make_interval(hours => ${oldAfterHours}::integer)
        order by oldest.last_verified_at nulls first limit ${collectionsARun}`,
    'sync',
  );
  const alchemy = await getAlchemy();
  for (const { address } of rows) {
    await step(address);
    const head = await alchemy.getBlockNumber();
    const outcome = await runSync(
      {
        name: `collections.owners:${address}`,
        read: (position) => pagesOf(position, (key) => alchemy.getOwners(address, key)),
        apply: (tx, owners) => recordOwners(tx, address, head, owners),
      },
      { jobId, deadline },
    );
    if (outcome === 'continue' || Date.now() >= deadline.getTime()) return 'continue';
  }
  return 'done';
}
