/**
 * The job that refreshes the read models. It processes only the changes since its last run, in rounds of bounded size.
 *
 * Triggers append changes to the dirty sets. A round takes some of them, recounts the wallets that they concern, and adds
 * the differences to the counters of the editions, all under one snapshot (REPEATABLE READ). It counts the changes that it
 * leaves to a later round as not made (`counted-moments.ts`), so after every commit each moment is in exactly one wallet.
 *
 * Each wallet is recounted from its own holdings. Editions are not recounted; see `update-edition-counters.ts`.
 */
import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { addProgress, type Run, requestAnotherRun } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { count } from '../../shared/observability/metrics.ts';
import { jobs } from './jobs.ts';
import { oldestChangeSeconds } from './oldest-change.ts';
import { editionChanges, editionHolders, recountedWallets, takenEditions } from './round-tables.ts';
import {
  chooseWallets,
  cleanWallets,
  collectChanges,
  isUpToDate,
  lockReadModels,
  takeEditions,
  takeMoments,
  takeSales,
} from './take-changes.ts';
import { updateEditionCounters } from './update-edition-counters.ts';
import { assertNotEmptied, countWallets, writePrices, writeWallets } from './write-snapshots.ts';

export interface Round {
  /** Wallets recounted. */
  wallets: number;
  /** Editions updated. */
  editions: number;
  /** Whether it left no change to another round. */
  isDone: boolean;
}

/** Limits a run, because it keeps a worker from other prompt jobs. The changes that are left start another run. */
const maxRunMs = 3_000;

/**
 * The size of a round: how many changes it takes, and how many moments the wallets hold that it recounts, and the editions
 * have whose prices it applies. One edition, and the wallets on both sides of the oldest change, may be larger.
 */
export const roundSize = 20_000;

export const refreshSnapshots = handleJob(jobs.refreshSnapshots, async (run) => {
  const lagSeconds = await reportLag();
  const deadlineMs = Date.now() + maxRunMs;
  const refreshed = await refreshUntil(deadlineMs, run);
  if (!refreshed.isDone) await requestAnotherRun(run.jobId);
  return { result: { ...refreshed, lagSeconds, remainingLagSeconds: await reportLag() } };
});

/** Rounds until no change is left, or a deadline, and the sums of what they processed. */
export async function refreshUntil(deadlineMs: number, run: Run): Promise<Round & { rounds: number }> {
  const result = { wallets: 0, editions: 0, rounds: 0, isDone: false };
  while (!result.isDone && Date.now() < deadlineMs) {
    const { wallets, editions, isDone } = await commit((tx) => refreshRound(tx), 'repeatable read');
    const rows = wallets + editions;
    // outside the round: a concurrent update of the job's row would fail a REPEATABLE READ transaction that updates it too
    await inTransaction((tx) => addProgress(tx, run, { read: rows, applied: rows, unchanged: 0, rejected: 0 }));
    result.wallets += wallets;
    result.editions += editions;
    result.rounds++;
    result.isDone = isDone;
  }
  return result;
}

/** Records how far the read models are behind: the age of the oldest change that they do not show, in seconds. */
async function reportLag(): Promise<number> {
  const seconds = await oldestChangeSeconds();
  count('ReadModelLag', 'Seconds', seconds);
  return seconds;
}

/**
 * One round, in a REPEATABLE READ transaction that has not read anything yet.
 *
 * @param size  see `roundSize`
 * @throws Integrity  no wallet holds any moments; nothing changes
 */
export async function refreshRound(tx: Transaction, size = roundSize): Promise<Round> {
  await lockReadModels(tx);
  await assertNotEmptied(tx);
  if (!(await collectChanges(tx, size))) return { wallets: 0, editions: 0, isDone: false };
  // a moment whose edition changed takes all its sales along, so none of them may be left
  const chosenSize = (await takeSales(tx, size)) ? size : 0;
  await takeEditions(tx, chosenSize);
  await chooseWallets(tx, chosenSize);
  await takeMoments(tx, chosenSize);
  const scope = sql`select wallet_address from ${recountedWallets}`;
  await countWallets(tx, scope);
  await writeWallets(tx, scope);
  await cleanWallets(tx);
  const editions = await updateEditionCounters(tx);
  await writePrices(tx, sql`select edition_id from ${takenEditions}`);
  await announceRound(tx);
  const { rows } = await tx.query<{ wallets: number }>(
    sql`select count(*)::integer as wallets from (${scope}) as scope`,
  );
  return { ...rows[0]!, editions, isDone: await isUpToDate(tx) };
}

/** Announces every wallet and edition of the round: a live answer, cached before the commit, may differ from the snapshot. */
async function announceRound(tx: Transaction): Promise<void> {
  await tx.query(sql`
    select platform.announce('snapshots_refreshed', array_agg(entity))
    from (
      select 'wallets:' || wallets.wallet_name(wallet_address) as entity from ${recountedWallets}
      union all
      select 'wallets:' || wallets.wallet_name(wallet_address) from ${editionHolders}
      union all
      select 'editions:' || wallets.edition_name(e.set_id, e.play_id)
      from ${editionChanges} c join wallets.editions e on e.id = c.edition_id
      union all
      select 'wallet-leaderboards:all' where exists (select 1 from ${recountedWallets})
      union all
      select 'edition-list:all' where exists (select 1 from ${editionChanges})
    ) as refreshed`);
}
