/**
 * The job that keeps the read models: it takes up what has changed since its last round, and nothing else.
 *
 * Triggers append to the dirty sets; a round deletes what its snapshot sees of them and recomputes exactly those keys
 * under the same snapshot (REPEATABLE READ), so that what was taken and what is counted belong together. What commits
 * later is seen by the next round. All of a round is one transaction: nobody sees a moment with two wallets, or with none.
 *
 * Wallets are counted anew, each from its own holdings; editions are not (`move-editions.ts`).
 */
import sql, { raw, type Sql } from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { differ, setExcluded } from '../../shared/db/column-lists.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { moveEditions } from './move-editions.ts';
import { countEditions, countTeams, summarize, summaryColumns } from './summaries.ts';

/** What a round came to. */
export interface Refreshed {
  wallets: number;
  editions: number;
}

/** While changes go on, so long at most; what comes later has an event of its own, which asks for another run. */
const longestRunMs = 10_000;

export async function refreshSnapshots({ jobId }: JobContext): Promise<JobOutcome> {
  const result = { wallets: 0, editions: 0, rounds: 0 };
  const until = Date.now() + longestRunMs;
  while (Date.now() < until) {
    const { wallets, editions } = await commit(refreshOnce, 'repeatable read');
    if (wallets + editions === 0) break;
    await count(jobId, wallets + editions);
    result.wallets += wallets;
    result.editions += editions;
    result.rounds++;
  }
  return { result };
}

/** Apart from the round: others touch the job's row meanwhile, which would fail a REPEATABLE READ that does as well. */
async function count(jobId: string, rows: number): Promise<void> {
  await inTransaction((tx) => addProgress(tx, jobId, { read: rows, applied: rows, unchanged: 0, rejected: 0 }));
}

/** One round, in a REPEATABLE READ transaction. @throws Integrity  nothing is held any more: the last snapshot stays */
export async function refreshOnce(tx: Transaction): Promise<Refreshed> {
  await takeChanges(tx);
  await refusePlunge(tx);
  await countWallets(tx, refreshedWallets);
  const wallets = await writeWallets(tx, refreshedWallets);
  const editions = await moveEditions(tx);
  await writePrices(tx, takenEditions);
  await announceRefresh(tx);
  return { wallets, editions };
}

/** The wallets of this round. */
export const refreshedWallets = sql`select wallet_address from pg_temp.refreshed_wallets`;

/** Deletes what this snapshot sees of the dirty sets, and keeps it in temporary tables. */
export async function takeChanges(tx: Transaction): Promise<void> {
  // what is taken is little beside the tables: its rows are looked up by their keys
  await tx.query('set local random_page_cost = 1');
  await tx.query(`
    create temporary table taken_holdings (nft_id bigint, wallet_address bytea, is_locked boolean) on commit drop;
    create temporary table taken_moments (nft_id bigint, edition_id integer) on commit drop;
    create temporary table taken_sales (nft_id bigint, price_usd numeric, purchased_at timestamptz) on commit drop;
    create temporary table taken_editions (edition_id integer) on commit drop;
    create temporary table refreshed_wallets (wallet_address bytea) on commit drop;

    with taken as (delete from wallets.changed_holdings returning *)
    insert into pg_temp.taken_holdings
    select distinct on (nft_id) nft_id, wallet_address, is_locked from taken order by nft_id, id;

    with taken as (delete from wallets.changed_moments returning *)
    insert into pg_temp.taken_moments
    select t.nft_id, t.edition_id
    from (select distinct on (nft_id) nft_id, edition_id from taken order by nft_id, id) as t
      left join wallets.nft_core_metadata m on m.nft_id = t.nft_id
    where m.edition_id is distinct from t.edition_id;

    with taken as (delete from wallets.new_sales returning *)
    insert into pg_temp.taken_sales select nft_id, price_usd, purchased_at from taken;

    with taken as (delete from wallets.dirty_editions returning *)
    insert into pg_temp.taken_editions select distinct edition_id from taken;

    analyze pg_temp.taken_holdings, pg_temp.taken_moments, pg_temp.taken_editions;

    with taken as (delete from wallets.dirty_wallets returning *)
    insert into pg_temp.refreshed_wallets
    select wallet_address from taken
    union
    select h.wallet_address from pg_temp.taken_moments t join wallets.wallet_holdings h on h.nft_id = t.nft_id
    where h.wallet_address is not null
    union
    select h.wallet_address
    from pg_temp.taken_editions t
      join wallets.nft_core_metadata m on m.edition_id = t.edition_id
      join wallets.wallet_holdings h on h.nft_id = m.nft_id
    where h.wallet_address is not null;

    analyze pg_temp.refreshed_wallets`);
}

/** A total that falls to nothing is not believed: an empty answer of the warehouse must not empty the read models. */
export async function refusePlunge(tx: Transaction): Promise<void> {
  const { rows } = await tx.query<{ plunges: boolean }>(`
    select exists (select 1 from wallets.wallet_summary_snapshot)
      and not exists (select 1 from wallets.wallet_holdings where wallet_address is not null) as plunges`);
  if (rows[0]!.plunges)
    throw new Integrity('No wallet holds anything any more: the snapshots stay as they are until somebody has looked.');
}

/** Counts what the wallets of a scope hold of each edition, for all that follows. */
export async function countWallets(tx: Transaction, scope: Sql): Promise<void> {
  await tx.query(`create temporary table counted_editions (
    wallet_address bytea, edition_id integer, moments integer, locked integer, last_synced_at timestamptz) on commit drop`);
  await tx.query(sql`insert into pg_temp.counted_editions ${countEditions(scope)}`);
  await tx.query('analyze pg_temp.counted_editions');
}

/** What `countWallets` has counted. */
export const counted = sql`select * from pg_temp.counted_editions`;

/** The columns of `wallet_summary_snapshot` that a refresh writes where they differ. */
export const writtenColumns = [...summaryColumns, 'last_synced_at'];

/** Writes the summaries and team counts of a scope where they differ, and removes wallets that hold nothing; gives how many wallets the scope has. */
export async function writeWallets(tx: Transaction, scope: Sql): Promise<number> {
  await tx.query(sql`
    insert into wallets.wallet_summary_snapshot
    select n.*, now() from (${summarize(counted)}) as n
      left join wallets.wallet_summary_snapshot s on s.wallet_address = n.wallet_address
    where s.wallet_address is null
      or ${raw(differ(writtenColumns, 's', 'n'))}
    order by n.wallet_address
    on conflict (wallet_address) do update set ${raw(setExcluded([...writtenColumns, 'updated_at']))}`);
  await tx.query(sql`
    delete from wallets.wallet_summary_snapshot s using (${scope}) as scope
    where s.wallet_address = scope.wallet_address
      and not exists (select 1 from pg_temp.counted_editions c where c.wallet_address = s.wallet_address)`);
  await tx.query(
    sql`
    create temporary table counted_teams on commit drop as ${countTeams(counted)};
    analyze pg_temp.counted_teams`.text,
  );
  await tx.query(sql`
    delete from wallets.wallet_team_counts t using (${scope}) as scope
    where t.wallet_address = scope.wallet_address
      and not exists (select 1 from pg_temp.counted_teams n
                      where n.wallet_address = t.wallet_address and n.team_name = t.team_name)`);
  await tx.query(`
    insert into wallets.wallet_team_counts (wallet_address, team_name, moments)
    select n.wallet_address, n.team_name, n.moments
    from pg_temp.counted_teams n
      left join wallets.wallet_team_counts t on t.wallet_address = n.wallet_address and t.team_name = n.team_name
    where t.moments is distinct from n.moments
    order by n.wallet_address, n.team_name
    on conflict (wallet_address, team_name) do update set moments = excluded.moments`);
  const { rows } = await tx.query<{ n: number }>(sql`select count(*)::integer as n from (${scope}) as scope`);
  return rows[0]!.n;
}

const takenEditions = sql`select edition_id from pg_temp.taken_editions`;

/** The columns of `edition_prices_snapshot` beside its key. */
export const priceColumns = ['floor_usd', 'average_sale_usd'] as const;

/** Takes over the latest prices of a scope of editions; gives how many differed from those shown. */
export async function writePrices(tx: Transaction, scope: Sql): Promise<number> {
  const gone = await tx.query(sql`
    delete from wallets.edition_prices_snapshot s using (${scope}) as scope
    where s.edition_id = scope.edition_id
      and not exists (select 1 from wallets.edition_prices p where p.edition_id = s.edition_id)`);
  const written = await tx.query(sql`
    insert into wallets.edition_prices_snapshot (edition_id, floor_usd, average_sale_usd)
    select p.edition_id, p.floor_usd, p.average_sale_usd
    from (${scope}) as scope join wallets.edition_prices p on p.edition_id = scope.edition_id
      left join wallets.edition_prices_snapshot s on s.edition_id = p.edition_id
    where s.edition_id is null or ${raw(differ(priceColumns, 's', 'p'))}
    order by p.edition_id
    on conflict (edition_id) do update set ${raw(setExcluded(priceColumns))}`);
  return (gone.rowCount ?? 0) + (written.rowCount ?? 0);
}

/** Every wallet and edition of the round: an answer computed on the spot meanwhile may show what the snapshot does not. */
async function announceRefresh(tx: Transaction): Promise<void> {
  await tx.query(`
    select platform.announce('snapshots_refreshed', array_agg(entity))
    from (
      select 'wallets:' || wallets.wallet_name(wallet_address) as entity from pg_temp.refreshed_wallets
      union all
      select 'editions:' || wallets.edition_name(e.set_id, e.play_id)
      from pg_temp.edition_changes c join wallets.editions e on e.id = c.edition_id
      union all
      select 'wallet-leaderboards:all' where exists (select 1 from pg_temp.refreshed_wallets)
      union all
      select 'edition-list:all' where exists (select 1 from pg_temp.edition_changes)
    ) as refreshed`);
}
