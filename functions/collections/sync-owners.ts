import * as z from 'zod';
import type { Run } from '../../shared/jobs/job.ts';
import { type Batch, runSync } from '../../shared/jobs/sync.ts';
import { Integrity, PositionExpired, Upstream } from '../../shared/kernel/errors.ts';
import { type Page, pagesOf, parseStored } from '../../shared/upstream/pages.ts';
import { getHeads, maxReadings, readTransfers } from './read-transfers.ts';
import { concludeOwners, type OwnerRecord, recordOwners } from './record-owners.ts';
import { recordTransfers, type TransferRecord } from './record-transfers.ts';
import { type Alchemy, type Block, getAlchemy } from './sources/alchemy.ts';

/** Where a list of owners goes on. */
interface Position {
  /** The number of the block that the owners stand for. */
  finalized: number;
  /** The head at which the last page was read. */
  head: Block;
  key: string | null;
}

const storedPosition = z.object({
  finalized: z.number(),
  head: z.object({ number: z.number(), hash: z.string() }),
  key: z.string().nullable(),
}) satisfies z.ZodType<Position>;

type Listed = OwnerRecord | TransferRecord;

const isOwner = (row: Listed): row is OwnerRecord => 'owner' in row;
const isTransfer = (row: Listed): row is TransferRecord => !isOwner(row);

/**
 * Reads all owners of a collection from upstream, corrects drift, and removes owners that upstream no longer lists.
 *
 * The owners stand for the block that is finalized when the list begins, so that no reorg can change them later. The
 * transfers since then are read with each page; tokens that moved keep what is known of them until the next list.
 *
 * @throws Integrity  upstream listed implausibly few owners; nothing is removed
 * @source Alchemy getOwnersForContract
 */
export async function syncCollectionOwners(address: string, run: Run): Promise<'done' | 'continue'> {
  const alchemy = await getAlchemy();
  let at: Position;
  const fetchPage = async (position: string | null): Promise<Page<Listed>> => {
    at = position === null ? await startOfList(alchemy) : parseStored(storedPosition, position);
    const { head, next, ...page } = await readOwners(alchemy, address, at);
    at = { ...at, head, key: next };
    return { ...page, next: next === null ? null : JSON.stringify(at) };
  };
  return runSync<Listed, Batch<Listed>>(
    {
      name: `collections.owners:${address}`,
      async *read(position) {
        yield* pagesOf(position, fetchPage);
        const [head] = await alchemy.getBlocks([at.head.number]);
        assertCanonical(address, at.head, head);
      },
      async apply(tx, rows) {
        const transfers = rows.filter(isTransfer);
        const moved = new Set(transfers.filter(({ amount }) => amount !== '0').map(({ tokenId }) => tokenId));
        // not even if a removal has voided the transfer: the page was read before
        const owners = rows.filter(isOwner).filter(({ tokenId }) => !moved.has(tokenId));
        const stored = await recordTransfers(tx, transfers);
        const listed = await recordOwners(tx, address, at.finalized, owners);
        return { applied: stored.applied + listed.applied, unchanged: stored.unchanged + listed.unchanged };
      },
      // an owner that is malformed here would be removed
      maxRejectedShare: 0,
      async finish(tx) {
        await concludeOwners(tx, address, at.finalized, at.head.number);
        return undefined;
      },
    },
    run,
  );
}

async function startOfList(alchemy: Alchemy): Promise<Position> {
  const [finalized] = await getHeads(alchemy);
  return { finalized: finalized.number, head: finalized, key: null };
}

/**
 * A page of owners as of the head, and the transfers since the page before it. Upstream does not say which block a page
 * stands for, so it is read again if the head changed meanwhile.
 *
 * @throws PositionExpired  a reorg replaced the head of the page before it, or the page key is no longer known
 * @throws Upstream         the head changed during each of five readings (retryable)
 */
async function readOwners(
  alchemy: Alchemy,
  address: string,
  { finalized, head: since, key }: Position,
): Promise<Page<Listed> & { head: Block }> {
  for (let reading = 0; reading < maxReadings; reading++) {
    const [, head] = await getHeads(alchemy);
    const page = await alchemy.getOwners(address, key);
    const moved = await readAllTransfers(alchemy, address, since.number + 1, head, finalized);
    const [sameSince, now] = await alchemy.getBlocks([since.number, 'latest']);
    assertCanonical(address, since, sameSince);
    if (now?.hash !== head.hash) continue;
    // it may be in the page already, and would count again when it arrives
    if (moved.rejected[0]) throw new Integrity(`A transfer of ${address} is malformed: ${moved.rejected[0].reason}`);
    return { ...page, rows: [...moved.rows, ...page.rows], head };
  }
  throw new Upstream(`The chain moved during ${maxReadings} readings of a page of owners of ${address}.`);
}

async function readAllTransfers(alchemy: Alchemy, address: string, from: number, head: Block, finalized: number) {
  const all: Omit<Page<TransferRecord>, 'next'> = { rows: [], rejected: [] };
  let key: string | null = null;
  while (from <= head.number) {
    const page: Page<TransferRecord> = await readTransfers(alchemy, address, { from, head, finalized }, key);
    all.rows.push(...page.rows);
    all.rejected.push(...page.rejected);
    if (page.next === null) break;
    key = page.next;
  }
  return all;
}

function assertCanonical(address: string, read: Block, now: Block | undefined): void {
  if (read.hash === now?.hash) return;
  throw new PositionExpired(`A reorg replaced block ${read.number} while the owners of ${address} were listed.`);
}
