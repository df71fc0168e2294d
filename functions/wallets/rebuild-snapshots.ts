import sql, { raw } from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { differ, setExcluded } from '../../shared/db/column-lists.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { count } from '../../shared/observability/metrics.ts';
import { countedEditions, statColumns } from './edition-stats.ts';
import {
  counted,
  countWallets,
  priceColumns,
  refusePlunge,
  takeChanges,
  writePrices,
  writeWallets,
  writtenColumns,
} from './refresh-snapshots.ts';
import { countTeams, summarize } from './summaries.ts';

/** Keys whose snapshot was not what counting gives, although nothing was waiting for a refresh. It should be none. */
export interface Drift {
  wallets: number;
  teamCounts: number;
  editions: number;
}

/**
 * The job: counts every wallet and edition anew, compares that with the read models, reports the drift and repairs it. One
 * transaction: readers see the snapshots before or after it.
 *
 * @throws Integrity  nothing is held any more: the last snapshot stays
 */
export async function rebuildSnapshots({ jobId, step }: JobContext): Promise<JobOutcome> {
  await step('counting');
  const result = await commit(rebuild, 'repeatable read');
  const checked = result.checked.wallets + result.checked.editions;
  const applied = result.drift.wallets + result.drift.editions;
  await inTransaction((tx) =>
    addProgress(tx, jobId, { read: checked, applied, unchanged: checked - applied, rejected: 0 }),
  );
  for (const [snapshot, keys] of Object.entries(result.drift)) count('SnapshotDrift', 'Count', keys, { snapshot });
  return { result };
}

const driftedPrices = sql`select edition_id from pg_temp.drifted_prices`;

const allWallets = sql`select wallet_address from pg_temp.all_wallets`;

/** The work of the job, in a REPEATABLE READ transaction. */
export async function rebuild(
  tx: Transaction,
): Promise<{ checked: { wallets: number; editions: number }; drift: Drift }> {
  await takeChanges(tx);
  await refusePlunge(tx);
  await tx.query(`
    create temporary table all_wallets on commit drop as
    select wallet_address from wallets.wallet_holdings where wallet_address is not null
    union select wallet_address from wallets.wallet_summary_snapshot;
    analyze pg_temp.all_wallets`);
  await countWallets(tx, allWallets);
  await tx.query(
    sql`create temporary table counted_snapshots on commit drop as ${countedEditions}; analyze pg_temp.counted_snapshots`
      .text,
  );
  const drift = await measureDrift(tx);
  const wallets = await writeWallets(tx, allWallets);
  const editions = await writeEditions(tx);
  await writePrices(tx, sql`${driftedPrices} union select edition_id from pg_temp.taken_editions`);
  await nameHoldersOfDriftedPrices(tx);
  await tx.query(`
    select platform.announce('snapshots_refreshed', array_agg(entity))
    from (
      select 'wallets:' || wallets.wallet_name(wallet_address) as entity from pg_temp.refreshed_wallets
      union all select 'wallets:' || wallets.wallet_name(wallet_address) from pg_temp.drifted_wallets
      union all select 'editions:' || wallets.edition_name(set_id, play_id) from wallets.editions
      union all select unnest(array['wallet-leaderboards:all', 'edition-list:all'])
    ) as refreshed`);
  return { checked: { wallets, editions }, drift };
}

async function measureDrift(tx: Transaction): Promise<Drift> {
  await tx.query(
    sql`
    create temporary table drifted_wallets on commit drop as
    select wallet_address
    from (${summarize(counted)}) as n full join wallets.wallet_summary_snapshot s using (wallet_address)
    where ${raw(differ(writtenColumns, 's', 'n'))}
      and not exists (select 1 from pg_temp.refreshed_wallets r where r.wallet_address = coalesce(n.wallet_address, s.wallet_address))`
      .text,
  );
  await tx.query(`
    create temporary table drifted_prices on commit drop as
    select edition_id
    from wallets.edition_prices p full join wallets.edition_prices_snapshot s using (edition_id)
    where ((p.edition_id is null) <> (s.edition_id is null) or ${differ(priceColumns, 'p', 's')})
      and edition_id not in (select edition_id from pg_temp.taken_editions)`);
  const { rows } = await tx.query<Drift>(`
    select (select count(*)::integer from pg_temp.drifted_wallets) as wallets,
      (select count(*)::integer
       from (${countTeams(counted).text}) as n
         full join wallets.wallet_team_counts t using (wallet_address, team_name)
       where n.moments is distinct from t.moments
         and not exists (select 1 from pg_temp.refreshed_wallets r where r.wallet_address = coalesce(n.wallet_address, t.wallet_address))
      ) as "teamCounts",
      (select count(*)::integer from (
        select edition_id
        from pg_temp.counted_snapshots n full join wallets.editions_snapshot s using (edition_id)
        where ${differ(statColumns, 'n', 's')}
          and edition_id not in (
            select edition_id from pg_temp.taken_editions
            union all
            select m.edition_id from wallets.nft_core_metadata m
            where m.nft_id in (select nft_id from pg_temp.taken_holdings union all select nft_id from pg_temp.taken_sales
                               union all select nft_id from pg_temp.taken_moments)
            union all
            select edition_id from pg_temp.taken_moments where edition_id is not null)
        union
        ${driftedPrices.text}) as drifted
      ) as editions`);
  return rows[0]!;
}

/** The wallets whose lists will show other prices; those of editions that a round has taken are named already. */
async function nameHoldersOfDriftedPrices(tx: Transaction): Promise<void> {
  await tx.query(`
    insert into pg_temp.refreshed_wallets
    select c.wallet_address from pg_temp.counted_editions c
    where c.edition_id in (${driftedPrices.text})`);
}

async function writeEditions(tx: Transaction): Promise<number> {
  await tx.query(`
    insert into wallets.editions_snapshot
    select n.*, now() from pg_temp.counted_snapshots n left join wallets.editions_snapshot s using (edition_id)
    where ${differ(statColumns, 'n', 's')}
    order by edition_id
    on conflict (edition_id) do update set ${setExcluded([...statColumns, 'updated_at'])}`);
  const { rows } = await tx.query<{ n: number }>('select count(*)::integer as n from pg_temp.counted_snapshots');
  return rows[0]!.n;
}
