import sql, { empty, raw, type Sql } from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { addProgress, enqueueJob, type Run } from '../../shared/jobs/job.ts';
import { type Lease, moveCheckpoint, releaseLease, takeLease } from '../../shared/jobs/lease.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { TributaryError } from '../../shared/kernel/errors.ts';
import { count } from '../../shared/observability/metrics.ts';
import { countedInEditions } from './counted-moments.ts';
import { countStats, statColumns } from './edition-stats.ts';
import { jobs } from './jobs.ts';
import { refreshUntil, roundSize } from './refresh-snapshots.ts';
import { walletEditions } from './round-tables.ts';
import { countTeams, summarize } from './summaries.ts';
import { collectChanges, lockReadModels } from './take-changes.ts';
import {
  assertNotEmptied,
  counted,
  countWallets,
  priceColumns,
  writeWallets,
  writtenColumns,
} from './write-snapshots.ts';

/** The number of keys whose snapshot differed from a recount although no refresh was pending. Each should be zero. */
export interface Drift {
  wallets: number;
  teamCounts: number;
  editions: number;
}

/** What a round compared. */
export interface Audit {
  checked: number;
  drift: Partial<Drift>;
  /** The last compared key, after which the next round begins; null at the end. */
  next: string | null;
}

/** How far a run has come. Stored in its checkpoint. */
interface Progress {
  comparing: 'wallets' | 'editions';
  after: string | null;
  checked: { wallets: number; editions: number };
  drift: Drift;
}

const start: Progress = {
  comparing: 'wallets',
  after: null,
  checked: { wallets: 0, editions: 0 },
  drift: { wallets: 0, teamCounts: 0, editions: 0 },
};

/**
 * Recounts every wallet and edition, compares the counts with the read models, reports the drift, and repairs it.
 *
 * It goes through the wallets, then through the editions, in rounds of bounded size. Each expects what `counted-moments.ts`
 * says, so changes that wait for a refresh, or arrive meanwhile, are no drift. Drifted prices are repaired by a refresh.
 *
 * @throws Integrity  no wallet holds any moments; nothing changes
 */
export const rebuildSnapshots = handleJob(jobs.rebuildSnapshots, async ({ step, ...run }) => {
  const lease = await takeLease('wallets.rebuildSnapshots');
  let keeps = true;
  try {
    let progress = (lease.position as Progress | null) ?? start;
    for (let isDone = false; !isDone; ) {
      if (Date.now() >= run.deadline.getTime()) return 'continue';
      await step(`comparing ${progress.comparing}`);
      [progress, isDone] = await compareNext(progress, lease, run);
    }
    await step('refreshing prices');
    if (!(await refreshUntil(run.deadline.getTime(), run)).isDone)
      await enqueueJob(jobs.refreshSnapshots, {}, 'rebuild');
    keeps = false;
    const { checked, drift } = progress;
    for (const [snapshot, keys] of Object.entries(drift)) count('SnapshotDrift', 'Count', keys, { snapshot });
    return { result: { checked, drift } };
  } catch (error) {
    // a retry resumes from the checkpoint; after any other error the next run starts over
    keeps = !(error instanceof TributaryError) || error.retryable;
    throw error;
  } finally {
    await releaseLease(lease, keeps ? 'keep' : 'forget');
  }
});

async function compareNext(progress: Progress, lease: Lease, run: Run): Promise<[Progress, isDone: boolean]> {
  const { comparing, after } = progress;
  const audit = comparing === 'wallets' ? auditWallets : auditEditions;
  const [{ checked, drift }, moved] = await commit(async (tx) => {
    const round = await audit(tx, after ?? undefined);
    const next = {
      comparing: round.next === null ? 'editions' : comparing,
      after: round.next,
      checked: { ...progress.checked, [comparing]: progress.checked[comparing] + round.checked },
      drift: Object.fromEntries(
        Object.entries(progress.drift).map(([key, keys]) => [key, keys + (round.drift[key as keyof Drift] ?? 0)]),
      ) as unknown as Drift,
    } satisfies Progress;
    await moveCheckpoint(tx, lease, next);
    return [round, next] as const;
  }, 'repeatable read');
  const applied = Math.min(checked, (drift.wallets ?? 0) + (drift.editions ?? 0));
  // outside the round: a concurrent update of the job's row would fail a REPEATABLE READ transaction that updates it too
  await inTransaction((tx) =>
    addProgress(tx, run, { read: checked, applied, unchanged: checked - applied, rejected: 0 }),
  );
  return [moved, comparing === 'editions' && moved.after === null];
}

const auditedWallets = new TemporaryTable('audited_wallets');
const driftedSummaries = new TemporaryTable('drifted_summaries');
const driftedTeams = new TemporaryTable('drifted_teams');
const auditedEditions = new TemporaryTable('audited_editions');
const recountedEditions = new TemporaryTable('recounted_editions');
const pendingEditions = new TemporaryTable('pending_editions');
const driftedEditions = new TemporaryTable('drifted_editions');
const driftedPrices = new TemporaryTable('drifted_prices');

/** True if the read models can be compared; false if this transaction has to leave that to another one. */
async function startAudit(tx: Transaction): Promise<boolean> {
  await lockReadModels(tx);
  await assertNotEmptied(tx);
  return collectChanges(tx, roundSize);
}

/** Compares and repairs the wallets after an address, until they hold `size` moments, in a REPEATABLE READ transaction. */
export async function auditWallets(tx: Transaction, after = '', size = roundSize): Promise<Audit> {
  if (!(await startAudit(tx))) return { checked: 0, drift: {}, next: after };
  const first = raw(`'\\x${after}'::bytea`);
  const { rows } = await tx.query<{ last: string }>(sql`
    select encode(wallet_address, 'hex') as last from wallets.wallet_holdings
    where wallet_address > ${first} order by wallet_address offset ${raw(String(size))} limit 1`);
  const next = rows[0]?.last ?? null;
  const isBefore = next === null ? empty : sql`and wallet_address <= ${raw(`'\\x${next}'::bytea`)}`;
  const inRange = sql`wallet_address > ${first} ${isBefore}`;
  const inTable = (table: string) => sql`select wallet_address from ${raw(table)} where ${inRange}`;
  await auditedWallets.createAs(
    tx,
    sql`${inTable('wallets.wallet_holdings')} union ${inTable('wallets.outdated_moments')}
        union ${inTable('wallets.wallet_summary_snapshot')} union ${inTable('wallets.wallet_team_counts')}`,
  );
  await countWallets(tx, sql`select wallet_address from ${auditedWallets}`);
  const isUpToDate = (wallet: Sql) => sql`
    not exists (select 1 from wallets.dirty_wallets d where d.wallet_address = ${wallet})
    and not exists (select 1 from ${walletEditions} c join wallets.dirty_editions d on d.edition_id = c.edition_id
                    where c.wallet_address = ${wallet})`;
  await driftedSummaries.createAs(
    tx,
    sql`select wallet_address
        from (${summarize(counted)}) as n
          full join (select * from wallets.wallet_summary_snapshot where ${inRange}) as s using (wallet_address)
        where ${differ(writtenColumns, 's', 'n')} and ${isUpToDate(sql`coalesce(n.wallet_address, s.wallet_address)`)}`,
  );
  await driftedTeams.createAs(
    tx,
    sql`select wallet_address, team_name
        from (${countTeams(counted)}) as n
          full join (select * from wallets.wallet_team_counts where ${inRange}) as t using (wallet_address, team_name)
        where n.moments is distinct from t.moments
          and ${isUpToDate(sql`coalesce(n.wallet_address, t.wallet_address)`)}`,
  );
  const { rows: counts } = await tx.query<{ checked: number; wallets: number; teamCounts: number }>(sql`
    select (select count(*)::integer from ${auditedWallets}) as checked,
      (select count(*)::integer from ${driftedSummaries}) as wallets,
      (select count(*)::integer from ${driftedTeams}) as "teamCounts"`);
  const { checked, ...drift } = counts[0]!;
  if (drift.wallets + drift.teamCounts > 0) await repairWallets(tx);
  return { checked, drift, next };
}

async function repairWallets(tx: Transaction): Promise<void> {
  const drifted = sql`select wallet_address from ${driftedSummaries} union select wallet_address from ${driftedTeams}`;
  await tx.query(sql`delete from ${walletEditions} where wallet_address not in (${drifted})`);
  await writeWallets(tx, drifted);
  await tx.query(sql`
    select platform.announce('snapshots_refreshed', 'wallet-leaderboards:all'::text
      || (select array_agg('wallets:' || wallets.wallet_name(wallet_address)) from (${drifted}) as drifted))`);
}

/** Compares and repairs the editions after an id, until they have `size` moments, in a REPEATABLE READ transaction. */
export async function auditEditions(tx: Transaction, after = '0', size = roundSize): Promise<Audit> {
  if (!(await startAudit(tx))) return { checked: 0, drift: {}, next: after };
  const { rows } = await tx.query<{ last: string }>(sql`
    select edition_id::text as last from wallets.nft_core_metadata
    where edition_id > ${raw(after)} order by edition_id offset ${raw(String(size))} limit 1`);
  const next = rows[0]?.last ?? null;
  const inRange = (key: string) => raw(`${key} > ${after} ${next === null ? '' : `and ${key} <= ${next}`}`);
  const scope = sql`select id as edition_id from wallets.editions where ${inRange('id')}`;
  await auditedEditions.createAs(tx, countedInEditions(scope));
  await recountedEditions.createAs(tx, countStats(scope, sql`select * from ${auditedEditions}`));
  await pendingEditions.createAs(
    tx,
    sql`select edition_id from wallets.dirty_editions
        union
        select a.edition_id from wallets.new_sales s join ${auditedEditions} a on a.nft_id = s.nft_id`,
  );
  const isUpToDate = sql`edition_id not in (select edition_id from ${pendingEditions})`;
  await driftedEditions.createAs(
    tx,
    sql`select edition_id
        from ${recountedEditions} n
          full join (select * from wallets.editions_snapshot where ${inRange('edition_id')}) as s using (edition_id)
        where ${differ(statColumns, 'n', 's')} and ${isUpToDate}`,
  );
  await driftedPrices.createAs(
    tx,
    sql`select edition_id
        from (select * from wallets.edition_prices where ${inRange('edition_id')}) as p
          full join (select * from wallets.edition_prices_snapshot where ${inRange('edition_id')}) as s using (edition_id)
        where ((p.edition_id is null) <> (s.edition_id is null) or ${differ(priceColumns, 'p', 's')}) and ${isUpToDate}`,
  );
  const { rows: counts } = await tx.query<{ checked: number; editions: number }>(sql`
    select (select count(*)::integer from ${recountedEditions}) as checked,
      (select count(*)::integer from (
        select edition_id from ${driftedEditions} union select edition_id from ${driftedPrices}) as drifted) as editions`);
  const { checked, editions } = counts[0]!;
  if (editions > 0) await repairEditions(tx);
  return { checked, drift: { editions }, next };
}

/** Drifted prices are left to the refresh: they change what all holders see. */
async function repairEditions(tx: Transaction): Promise<void> {
  await tx.query(sql`
    insert into wallets.dirty_editions select edition_id from ${driftedPrices};

    delete from wallets.editions_snapshot s using ${driftedEditions} d
    where s.edition_id = d.edition_id and not exists (select 1 from ${recountedEditions} n where n.edition_id = d.edition_id);

    insert into wallets.editions_snapshot
    select n.*, now() from ${recountedEditions} n join ${driftedEditions} d on d.edition_id = n.edition_id
    order by n.edition_id
    on conflict (edition_id) do update set ${setExcluded([...statColumns, 'updated_at'])};

    select platform.announce('snapshots_refreshed', 'edition-list:all'::text
      || (select array_agg('editions:' || wallets.edition_name(e.set_id, e.play_id))
          from ${driftedEditions} d join wallets.editions e on e.id = d.edition_id))`);
}
