import sql from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { isDue, processUnits } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { type Page, pagesOf, parseStored } from '../../shared/upstream/pages.ts';
import { jobs } from './jobs.ts';
import { type BlockRange, getHeads, readTransfers } from './read-transfers.ts';
import { recordTransfers, type TransferRecord } from './record-transfers.ts';
import { settleTransfers } from './settle-transfers.ts';
import { getAlchemy } from './sources/alchemy.ts';
import { takeTurn } from './take-turn.ts';

/** What a sync reads, from its first page to its last. */
interface Position extends BlockRange {
  key: string | null;
}

const position = z.object({
  from: z.number(),
  head: z.object({ number: z.number(), hash: z.string() }),
  finalized: z.number(),
  key: z.string().nullable(),
}) satisfies z.ZodType<Position>;
const parsePosition = (text: string) => parseStored(position, text);

/**
 * Syncs the new transfers of one collection: those after the block that was finalized when its last sync began.
 *
 * A sync that resumes first completes the range that it began with, then goes on to the present head.
 *
 * @source Alchemy alchemy_getAssetTransfers
 */
export async function syncCollectionTransfers(address: string, run: Run): Promise<'done' | 'continue'> {
  for (;;) {
    const { outcome, resumed } = await syncRange(address, run);
    if (outcome === 'continue' || !resumed) return outcome;
  }
}

async function syncRange(address: string, run: Run): Promise<{ outcome: 'done' | 'continue'; resumed: boolean }> {
  const alchemy = await getAlchemy();
  let resumed = false;
  let finalized = 0;
  const fetchPage = async (position: string | null): Promise<Page<TransferRecord>> => {
    const range = position === null ? await nextRange(address) : parsePosition(position);
    finalized = range.finalized;
    const { head, next, ...page } = await readTransfers(alchemy, address, range, range.key);
    return { ...page, next: next === null ? null : JSON.stringify({ ...range, head, key: next } satisfies Position) };
  };
  const outcome = await runSync(
    {
      name: `collections.transfers:${address}`,
      read(position) {
        resumed = position !== null;
        return pagesOf(position, fetchPage);
      },
      apply: recordTransfers,
      async finish(tx) {
        await tx.query(
          `update collections.collections set transfers_block = greatest(transfers_block, $2), transfers_synced_at = now()
           where address = $1`,
          [toBytes(address), finalized],
        );
        return undefined;
      },
    },
    run,
  );
  return { outcome, resumed };
}

async function nextRange(address: string): Promise<Position> {
  const [alchemy, [stored]] = await Promise.all([
    getAlchemy(),
    query<{ from: number }>(
      sql`select (transfers_block + 1)::float8 as from from collections.collections where address = ${toBytes(address)}`,
      'sync',
    ),
  ]);
  const [finalized, head] = await getHeads(alchemy);
  return { from: stored?.from ?? 0, head, finalized: finalized.number, key: null };
}

/** At this many, a run's requests take a fifth of the upstream's budget until the next run. */
const maxCollections = 1_500;

/**
 * Syncs the new transfers of the complete collections synced longest ago, at most 1,500 per run.
 *
 * @source Alchemy alchemy_getAssetTransfers
 */
export const syncTransfers = handleJob(jobs.syncTransfers, async ({ step, ...run }) => {
  await settleTransfers(run);
  const rows = await query<{ address: string }>(
    sql`select collections.name_of(address, slug) as address from collections.collections
        where address is not null and completeness = 'complete' and deployed_block is not null
          and ${isDue(jobs.syncTransfers, sql`collections.name_of(address, slug)`)}
        order by transfers_tried_at nulls first, id limit ${maxCollections}`,
    'sync',
  );
  const addresses = rows.map(({ address }) => address);
  return processUnits(jobs.syncTransfers, run, addresses, async (address) => {
    await step(address);
    await takeTurn('transfers_tried_at', address);
    return syncCollectionTransfers(address, run);
  });
});
