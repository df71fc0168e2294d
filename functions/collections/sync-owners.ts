import { type Batch, type Run, runSync } from '../../shared/jobs/sync.ts';
import { pagesOf } from './pages-of.ts';
import { concludeOwners, type OwnerRecord, recordOwners } from './record-owners.ts';
import type { Page } from './sources/alchemy.ts';
import { getAlchemy } from './upstreams.ts';

/**
 * Reads all owners of a collection from upstream, as of the block that was the last when the reading began: what has
 * drifted is healed, and who is not named any more owns nothing.
 *
 * The block travels in the pages' key, so that a run that goes on where another stopped means the same block.
 *
 * @throws Integrity  upstream named so few owners that it is not believed; what stands stays
 * @source Alchemy getOwnersForContract
 */
export async function syncOwnersOf(address: string, run: Run): Promise<'done' | 'continue'> {
  const alchemy = await getAlchemy();
  let block = 0;
  const fetchPage = async (
    position: string | null,
  ): Promise<Page<Awaited<ReturnType<typeof alchemy.getOwners>>['rows'][number]>> => {
    const [begunAt, key] =
      position === null ? [await alchemy.getBlockNumber(), null] : (JSON.parse(position) as [number, string]);
    block = begunAt;
    const page = await alchemy.getOwners(address, key);
    return { ...page, next: page.next === null ? null : JSON.stringify([begunAt, page.next]) };
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
