import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { count } from '../../shared/observability/metrics.ts';
import { countedEditions, statColumns } from './edition-stats.ts';
import { jobs } from './jobs.ts';
import {
  assertNotEmptied,
  counted,
  countWallets,
  priceColumns,
  takeChanges,
  writePrices,
  writeWallets,
  writtenColumns,
} from './refresh-snapshots.ts';
import {
  countedHoldings,
  refreshedWallets,
  takenEditions,
  takenHoldings,
  takenMoments,
  takenSales,
} from './round-tables.ts';
import { countTeams, summarize } from './summaries.ts';

/** The number of keys whose snapshot differed from a recount although no refresh was pending. Each should be zero. */
export interface Drift {
  wallets: number;
  teamCounts: number;
  editions: number;
}

/**
 * Recounts every wallet and edition, compares the counts with the read models, reports the drift, and repairs it.
 * It is one transaction, so readers see the snapshots either before or after it.
 *
 * @throws Integrity  no wallet holds any moments; nothing changes
 */
export const rebuildSnapshots = handleJob(jobs.rebuildSnapshots, async ({ step, ...run }) => {
  await step('counting');
  const result = await commit(rebuild, 'repeatable read');
  const checked = result.checked.wallets + result.checked.editions;
  const applied = result.drift.wallets + result.drift.editions;
  await inTransaction((tx) =>
    addProgress(tx, run, { read: checked, applied, unchanged: checked - applied, rejected: 0 }),
  );
  for (const [snapshot, keys] of Object.entries(result.drift)) count('SnapshotDrift', 'Count', keys, { snapshot });
  return { result };
});

const allWallets = new TemporaryTable('all_wallets');
const recountedEditions = new TemporaryTable('counted_snapshots');
const driftedWallets = new TemporaryTable('drifted_wallets');
const driftedPrices = new TemporaryTable('drifted_prices');

/** The work of the job, in a REPEATABLE READ transaction. */
export async function rebuild(
  tx: Transaction,
): Promise<{ checked: { wallets: number; editions: number }; drift: Drift }> {
  await takeChanges(tx);
  await assertNotEmptied(tx);
  await allWallets.createAs(
    tx,
    sql`select wallet_address from wallets.wallet_holdings where wallet_address is not null
        union select wallet_address from wallets.wallet_summary_snapshot`,
  );
  const scope = sql`select wallet_address from ${allWallets}`;
  await countWallets(tx, scope);
  await recountedEditions.createAs(tx, countedEditions);
  const drift = await measureDrift(tx);
  const wallets = await writeWallets(tx, scope);
  const editions = await writeEditions(tx);
  await writePrices(tx, sql`select edition_id from ${driftedPrices} union select edition_id from ${takenEditions}`);
  await announceHoldersOfDriftedPrices(tx);
  await tx.query(sql`
    select platform.announce('snapshots_refreshed', array_agg(entity))
    from (
      select 'wallets:' || wallets.wallet_name(wallet_address) as entity from ${refreshedWallets}
      union all select 'wallets:' || wallets.wallet_name(wallet_address) from ${driftedWallets}
      union all select 'editions:' || wallets.edition_name(set_id, play_id) from wallets.editions
      union all select unnest(array['wallet-leaderboards:all', 'edition-list:all'])
    ) as refreshed`);
  return { checked: { wallets, editions }, drift };
}

async function measureDrift(tx: Transaction): Promise<Drift> {
  await driftedWallets.createAs(
    tx,
    sql`select wallet_address
        from (${summarize(counted)}) as n full join wallets.wallet_summary_snapshot s using (wallet_address)
        where ${differ(writtenColumns, 's', 'n')} and not exists (
          select 1 from ${refreshedWallets} r where r.wallet_address = coalesce(n.wallet_address, s.wallet_address))`,
  );
  await driftedPrices.createAs(
    tx,
    sql`select edition_id
        from wallets.edition_prices p full join wallets.edition_prices_snapshot s using (edition_id)
        where ((p.edition_id is null) <> (s.edition_id is null) or ${differ(priceColumns, 'p', 's')})
          and edition_id not in (select edition_id from ${takenEditions})`,
  );
  const { rows } = await tx.query<Drift>(sql`
    select (select count(*)::integer from ${driftedWallets}) as wallets,
      (select count(*)::integer
       from (${countTeams(counted)}) as n
         full join wallets.wallet_team_counts t using (wallet_address, team_name)
       where n.moments is distinct from t.moments
         and not exists (select 1 from ${refreshedWallets} r where r.wallet_address = coalesce(n.wallet_address, t.wallet_address))
      ) as "teamCounts",
      (select count(*)::integer from (
        select edition_id
        from ${recountedEditions} n full join wallets.editions_snapshot s using (edition_id)
        where ${differ(statColumns, 'n', 's')}
          and edition_id not in (
            select edition_id from ${takenEditions}
            union all
            select m.edition_id from wallets.nft_core_metadata m
            where m.nft_id in (select nft_id from ${takenHoldings} union all select nft_id from ${takenSales}
                               union all select nft_id from ${takenMoments})
            union all
            select edition_id from ${takenMoments} where edition_id is not null)
        union
        select edition_id from ${driftedPrices}) as drifted
      ) as editions`);
  return rows[0]!;
}

/** Announces the wallets that hold editions with drifted prices. Holders of `taken_editions` are announced already. */
async function announceHoldersOfDriftedPrices(tx: Transaction): Promise<void> {
  await tx.query(sql`
    insert into ${refreshedWallets}
    select c.wallet_address from ${countedHoldings} c
    where c.edition_id in (select edition_id from ${driftedPrices})`);
}

async function writeEditions(tx: Transaction): Promise<number> {
  await tx.query(sql`
    insert into wallets.editions_snapshot
    select n.*, now() from ${recountedEditions} n left join wallets.editions_snapshot s using (edition_id)
    where ${differ(statColumns, 'n', 's')}
    order by edition_id
    on conflict (edition_id) do update set ${setExcluded([...statColumns, 'updated_at'])}`);
  const { rows } = await tx.query<{ n: number }>(sql`select count(*)::integer as n from ${recountedEditions}`);
  return rows[0]!.n;
}
