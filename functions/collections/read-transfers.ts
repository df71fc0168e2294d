import { Upstream } from '../../shared/kernel/errors.ts';
import type { Page } from '../../shared/upstream/pages.ts';
import type { TransferRecord } from './record-transfers.ts';
import type { Alchemy, Block } from './sources/alchemy.ts';

/** The blocks from one number to the head, both inclusive. */
export interface BlockRange {
  from: number;
  head: Block;
  /** The number of the last block that no reorg can replace. */
  finalized: number;
}

/** The last block that no reorg can replace, and the last of all. @throws Upstream  there is none (retryable) */
export async function getHeads(alchemy: Alchemy): Promise<[finalized: Block, head: Block]> {
  const [finalized, head] = await alchemy.getBlocks(['finalized', 'latest']);
  if (!finalized || !head) throw new Upstream('alchemy eth_getBlockByNumber: the chain has no finalized block.');
  return [finalized, head];
}

/** How often something is read again because the chain moved meanwhile. */
export const maxReadings = 5;

/**
 * A page of a collection's transfers, each with the time of the request and, if its block is not final, the block's hash.
 *
 * A hash is asked for after the page. If a reorg replaced the head of the range before the last of them came, the page is
 * read again, so that no transfer gets the hash of a block that it is not in. `head` is the head that the page belongs to.
 *
 * @throws PositionExpired  the page key is no longer known: read again from the start (retryable)
 * @throws Upstream         reorgs interrupted five readings (retryable)
 * @source Alchemy alchemy_getAssetTransfers, eth_getBlockByNumber
 */
export async function readTransfers(
  alchemy: Alchemy,
  address: string,
  { from, head, finalized }: BlockRange,
  key: string | null,
): Promise<Page<TransferRecord> & { head: Block }> {
  let last = head;
  for (let reading = 0; reading < maxReadings; reading++) {
    const reportedAt = new Date();
    const page = await alchemy.getTransfers(address, from, head.number, key);
    const numbers = new Set(page.rows.map(({ blockNumber }) => blockNumber).filter((number) => number > finalized));
    if (numbers.size === 0) return { ...page, rows: page.rows.map((row) => ({ ...row, reportedAt })), head: last };
    const blocks = await alchemy.getBlocks([...numbers]);
    const hashes = new Map(blocks.map((block) => [block?.number, block?.hash]));
    const [now] = await alchemy.getBlocks([head.number]);
    // one node may not have seen a block yet that another names
    if (now?.hash === last.hash && !blocks.includes(undefined)) {
      const rows = page.rows.map((row) => ({ ...row, reportedAt, blockHash: hashes.get(row.blockNumber) }));
      return { ...page, rows, head: last };
    }
    last = now ?? last;
  }
  throw new Upstream(`The chain was reorganized during ${maxReadings} readings of a page of ${address}.`);
}
