import type { Run } from '../../shared/jobs/job.ts';
import { type Batch, runSync } from '../../shared/jobs/sync.ts';
import { type Page, pagesOf } from '../../shared/upstream/pages.ts';
import { concludeOwners, type OwnerRecord, recordOwners } from './record-owners.ts';
import { getAlchemy } from './sources/alchemy.ts';

/**
 * Reads all owners of a collection from upstream as of the latest block, corrects drift, and removes owners that upstream
 * no longer lists.
 *
 * The block is part of the page key, so that a resumed run uses the same block.
 *
 * @throws Integrity  upstream listed implausibly few owners; nothing is removed
 * @source Alchemy getOwnersForContract
 */
export async function syncCollectionOwners(address: string, run: Run): Promise<'done' | 'continue'> {
  const alchemy = await getAlchemy();
  let block = 0;
  const fetchPage = async (
    position: string | null,
  ): Promise<Page<Awaited<ReturnType<typeof alchemy.getOwners>>['rows'][number]>> => {
    const [startBlock, key] =
      position === null ? [await alchemy.getBlockNumber(), null] : (JSON.parse(position) as [number, string]);
    block = startBlock;
    const page = await alchemy.getOwners(address, key);
    return { ...page, next: page.next === null ? null : JSON.stringify([startBlock, page.next]) };
  };
  return runSync<OwnerRecord, Batch<OwnerRecord>>(
    {
      name: `collections.owners:${address}`,
      read: (position) => pagesOf(position, fetchPage),
      apply: (tx, rows) => recordOwners(tx, address, block, rows),
      finish: async (tx) => {
        await concludeOwners(tx, address, block);
        return undefined;
      },
    },
    run,
  );
}
