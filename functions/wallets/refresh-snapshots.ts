/**
 * The job that refreshes the read models. It processes only the changes since its last round.
 *
 * Triggers append changes to the dirty sets. A round deletes the changes that its snapshot sees, and recomputes their keys
 * under the same snapshot (REPEATABLE READ), so both describe the same state. Later commits belong to the next round. A
 * round is one transaction, so no reader sees a moment in two wallets, or in none.
 *
 * Each wallet is recounted from its own holdings. Editions are not recounted; see `update-edition-counters.ts`.
 */
import sql, { type Sql } from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { addProgress, type Run } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { jobs } from './jobs.ts';
import {
  countedHoldings,
  editionChanges,
  refreshedWallets,
  takenEditions,
  takenHoldings,
  takenMoments,
  takenSales,
} from './round-tables.ts';
import { countEditions, countTeams, summarize, summaryColumns } from './summaries.ts';
import { updateEditionCounters } from './update-edition-counters.ts';

/** The number of keys that a round processed. */
export interface Refreshed {
  wallets: number;
  editions: number;
}

/** Limits a run while changes keep arriving. A later change has its own event, which starts another run. */
const maxRunMs = 3_000;

export const refreshSnapshots = handleJob(jobs.refreshSnapshots, async (run) => {
  const result = { wallets: 0, editions: 0, rounds: 0 };
  const deadlineMs = Date.now() + maxRunMs;
  while (Date.now() < deadlineMs) {
    const { wallets, editions } = await commit(refreshOnce, 'repeatable read');
    if (wallets + editions === 0) break;
    await count(run, wallets + editions);
    result.wallets += wallets;
    result.editions += editions;
    result.rounds++;
  }
  return { result };
});

/** Outside the round: a concurrent update of the job's row would fail a REPEATABLE READ transaction that updates it too. */
async function count(run: Run, rows: number): Promise<void> {
  await inTransaction((tx) => addProgress(tx, run, { read: rows, applied: rows, unchanged: 0, rejected: 0 }));
}

/** One round, in a REPEATABLE READ transaction. @throws Integrity  no wallet holds any moments; nothing changes */
export async function refreshOnce(tx: Transaction): Promise<Refreshed> {
  await takeChanges(tx);
  await assertNotEmptied(tx);
  const scope = sql`select wallet_address from ${refreshedWallets}`;
  await countWallets(tx, scope);
  const wallets = await writeWallets(tx, scope);
  const editions = await updateEditionCounters(tx);
  await writePrices(tx, sql`select edition_id from ${takenEditions}`);
  await announceRefresh(tx);
  return { wallets, editions };
}

/** Moves the changes that this snapshot sees from the dirty sets to temporary tables. */
export async function takeChanges(tx: Transaction): Promise<void> {
  // there are few changes compared with the tables, so index lookups beat scans
  await tx.query('set local random_page_cost = 1');
  await tx.query(sql`
    ${takenHoldings.creation};
    ${takenMoments.creation};
    ${takenSales.creation};
    ${takenEditions.creation};
    ${refreshedWallets.creation};

    with taken as (delete from wallets.changed_holdings returning *)
    insert into ${takenHoldings}
    select distinct on (nft_id) nft_id, wallet_address, is_locked from taken order by nft_id, id;

    with taken as (delete from wallets.changed_moments returning *)
    insert into ${takenMoments}
    select t.nft_id, t.edition_id
    from (select distinct on (nft_id) nft_id, edition_id from taken order by nft_id, id) as t
      left join wallets.nft_core_metadata m on m.nft_id = t.nft_id
    where m.edition_id is distinct from t.edition_id;

    with taken as (delete from wallets.new_sales returning *)
    insert into ${takenSales} select nft_id, price_usd, purchased_at from taken;

    with taken as (delete from wallets.dirty_editions returning *)
    insert into ${takenEditions} select distinct edition_id from taken;

    analyze ${takenHoldings}, ${takenMoments}, ${takenEditions};

    with taken as (delete from wallets.dirty_wallets returning *)
    insert into ${refreshedWallets}
    select wallet_address from taken
    union
    select h.wallet_address from ${takenMoments} t join wallets.wallet_holdings h on h.nft_id = t.nft_id
    where h.wallet_address is not null
    union
    select h.wallet_address
    from ${takenEditions} t
      join wallets.nft_core_metadata m on m.edition_id = t.edition_id
      join wallets.wallet_holdings h on h.nft_id = m.nft_id
    where h.wallet_address is not null;

    analyze ${refreshedWallets}`);
}

/** @throws Integrity  no wallet holds any moments: an empty response from the warehouse must not empty the read models */
export async function assertNotEmptied(tx: Transaction): Promise<void> {
  const { rows } = await tx.query<{ emptied: boolean }>(`
    select exists (select 1 from wallets.wallet_summary_snapshot)
      and not exists (select 1 from wallets.wallet_holdings where wallet_address is not null) as emptied`);
  if (rows[0]!.emptied)
    throw new Integrity('No wallet holds any moments. The snapshots were not changed. Check the sync of holdings.');
}

/** Counts the moments of each edition held by each wallet in a scope. Later steps of the round read these counts. */
export async function countWallets(tx: Transaction, scope: Sql): Promise<void> {
  await tx.query(countedHoldings.creation);
  await tx.query(sql`insert into ${countedHoldings} ${countEditions(scope)}`);
  await tx.query(sql`analyze ${countedHoldings}`);
}

/** The counts of `countWallets`, for `summarize` and `countTeams`. */
export const counted = sql`select * from ${countedHoldings}`;

const countedTeams = new TemporaryTable('counted_teams');

/** The columns of `wallet_summary_snapshot` that a refresh updates if they differ. */
export const writtenColumns = [...summaryColumns, 'last_synced_at'];

/**
 * Writes the changed summaries and team counts of a scope, and deletes those of wallets that hold nothing.
 * Returns the number of wallets in the scope.
 */
export async function writeWallets(tx: Transaction, scope: Sql): Promise<number> {
  await tx.query(sql`
    insert into wallets.wallet_summary_snapshot
    select n.*, now() from (${summarize(counted)}) as n
      left join wallets.wallet_summary_snapshot s on s.wallet_address = n.wallet_address
    where s.wallet_address is null
      or ${differ(writtenColumns, 's', 'n')}
    order by n.wallet_address
    on conflict (wallet_address) do update set ${setExcluded([...writtenColumns, 'updated_at'])}`);
  await tx.query(sql`
    delete from wallets.wallet_summary_snapshot s using (${scope}) as scope
    where s.wallet_address = scope.wallet_address
      and not exists (select 1 from ${countedHoldings} c where c.wallet_address = s.wallet_address)`);
  await countedTeams.createAs(tx, countTeams(counted));
  await tx.query(sql`
    delete from wallets.wallet_team_counts t using (${scope}) as scope
    where t.wallet_address = scope.wallet_address
      and not exists (select 1 from ${countedTeams} n
                      where n.wallet_address = t.wallet_address and n.team_name = t.team_name)`);
  await tx.query(sql`
    insert into wallets.wallet_team_counts (wallet_address, team_name, moments)
    select n.wallet_address, n.team_name, n.moments
    from ${countedTeams} n
      left join wallets.wallet_team_counts t on t.wallet_address = n.wallet_address and t.team_name = n.team_name
    where t.moments is distinct from n.moments
    order by n.wallet_address, n.team_name
    on conflict (wallet_address, team_name) do update set moments = excluded.moments`);
  const { rows } = await tx.query<{ n: number }>(sql`select count(*)::integer as n from (${scope}) as scope`);
  return rows[0]!.n;
}

/** The columns of `edition_prices_snapshot` without its key. */
export const priceColumns = ['floor_usd', 'average_sale_usd'] as const;

/** Copies the latest prices of a scope of editions to the snapshot, and returns how many differed. */
export async function writePrices(tx: Transaction, scope: Sql): Promise<number> {
  const removed = await tx.query(sql`
    delete from wallets.edition_prices_snapshot s using (${scope}) as scope
    where s.edition_id = scope.edition_id
      and not exists (select 1 from wallets.edition_prices p where p.edition_id = s.edition_id)`);
  const written = await tx.query(sql`
    insert into wallets.edition_prices_snapshot (edition_id, floor_usd, average_sale_usd)
    select p.edition_id, p.floor_usd, p.average_sale_usd
    from (${scope}) as scope join wallets.edition_prices p on p.edition_id = scope.edition_id
      left join wallets.edition_prices_snapshot s on s.edition_id = p.edition_id
    where s.edition_id is null or ${differ(priceColumns, 's', 'p')}
    order by p.edition_id
    on conflict (edition_id) do update set ${setExcluded(priceColumns)}`);
  return (removed.rowCount ?? 0) + (written.rowCount ?? 0);
}

/** Announces every wallet and edition of the round: a live answer, cached before the commit, may differ from the snapshot. */
async function announceRefresh(tx: Transaction): Promise<void> {
  await tx.query(sql`
    select platform.announce('snapshots_refreshed', array_agg(entity))
    from (
      select 'wallets:' || wallets.wallet_name(wallet_address) as entity from ${refreshedWallets}
      union all
      select 'editions:' || wallets.edition_name(e.set_id, e.play_id)
      from ${editionChanges} c join wallets.editions e on e.id = c.edition_id
      union all
      select 'wallet-leaderboards:all' where exists (select 1 from ${refreshedWallets})
      union all
      select 'edition-list:all' where exists (select 1 from ${editionChanges})
    ) as refreshed`);
}
