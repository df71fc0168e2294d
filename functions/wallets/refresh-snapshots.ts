/**
 * The job that keeps the read models: it takes up what has changed since its last round, and nothing else.
 *
 * Triggers append to the dirty sets; a round deletes what its snapshot sees of them and recomputes exactly those keys
 * under the same snapshot (REPEATABLE READ), so that what was taken and what is counted belong together. What commits
 * later is seen by the next round. All of a round is one transaction: nobody sees a moment with two wallets, or with none.
 *
 * Wallets are counted anew, each from its own holdings. Editions are not: 1 % of the wallets touches most of them. Their
 * counters move by the difference between each changed moment as it was at the last round (`changed_holdings`,
 * `changed_moments`) and as it is now; a wallet becomes a holder where its count rises from none.
 */
import sql, { type Sql } from 'sql-template-tag';
import { commit, inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { countEditions, countTeams, summarize } from './summaries.ts';

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

const counted = sql`select * from pg_temp.counted_editions`;

/** Writes the summaries and team counts of a scope where they differ, and removes wallets that hold nothing; gives how many wallets the scope has. */
export async function writeWallets(tx: Transaction, scope: Sql): Promise<number> {
  await tx.query(sql`
    insert into wallets.wallet_summary_snapshot
    select n.*, now() from (${summarize(counted)}) as n
      left join wallets.wallet_summary_snapshot s on s.wallet_address = n.wallet_address
    where s.wallet_address is null
      or (s.display_name, s.moments_total, s.locked_count, s.tier_common, s.tier_uncommon, s.tier_rare, s.tier_legendary,
          s.tier_ultimate, s.floor_value, s.asp_value, s.priced_moments, s.last_synced_at)
        is distinct from (n.display_name, n.moments_total, n.locked_count, n.tier_common, n.tier_uncommon, n.tier_rare,
          n.tier_legendary, n.tier_ultimate, n.floor_value, n.asp_value, n.priced_moments, n.last_synced_at)
    order by n.wallet_address
    on conflict (wallet_address) do update set display_name = excluded.display_name,
      moments_total = excluded.moments_total, locked_count = excluded.locked_count,
      unlocked_count = excluded.unlocked_count, tier_common = excluded.tier_common,
      tier_uncommon = excluded.tier_uncommon, tier_rare = excluded.tier_rare, tier_legendary = excluded.tier_legendary,
      tier_ultimate = excluded.tier_ultimate, floor_value = excluded.floor_value, asp_value = excluded.asp_value,
      priced_moments = excluded.priced_moments, last_synced_at = excluded.last_synced_at, updated_at = excluded.updated_at`);
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

/** Moves the editions' counters by what this round has taken; gives how many editions it touched. */
async function moveEditions(tx: Transaction): Promise<number> {
  await tx.query(`
    create temporary table moved on commit drop as
    select case when h.nft_id is not null then h.wallet_address else s.wallet_address end as wallet_before,
      case when h.nft_id is not null then h.is_locked else s.is_locked end as locked_before,
      case when t.nft_id is not null then t.edition_id else m.edition_id end as edition_before,
      s.wallet_address as wallet_after, s.is_locked as locked_after, m.edition_id as edition_after
    from pg_temp.taken_holdings h full join pg_temp.taken_moments t on t.nft_id = h.nft_id
      left join wallets.wallet_holdings s on s.nft_id = coalesce(h.nft_id, t.nft_id)
      left join wallets.nft_core_metadata m on m.nft_id = coalesce(h.nft_id, t.nft_id);

    create temporary table edition_changes on commit drop as
    with sides as (
      select edition_before as edition_id, wallet_before as wallet_address, locked_before as is_locked, -1 as sign from pg_temp.moved
      union all
      select edition_after, wallet_after, locked_after, 1 from pg_temp.moved
    ), pairs as (
      select edition_id, wallet_address, sum(sign) as net from sides
      where edition_id is not null and wallet_address is not null
      group by edition_id, wallet_address having sum(sign) <> 0
    ), holders as (
      select p.edition_id,
        sum((coalesce(c.moments, 0) > 0)::integer - (coalesce(c.moments, 0) - p.net > 0)::integer) as holders
      from pairs p
        left join pg_temp.counted_editions c on c.wallet_address = p.wallet_address and c.edition_id = p.edition_id
      group by p.edition_id
    ), counts as (
      select edition_id, sum(sign) as supply, coalesce(sum(sign) filter (where wallet_address is not null), 0) as held,
        coalesce(sum(sign) filter (where wallet_address is not null and is_locked), 0) as locked
      from sides where edition_id is not null group by edition_id
    ), sales as (
      select edition_id, count(*) as sale_count, sum(price_usd) as sale_sum_usd, max(purchased_at) as last_sale_at,
        (array_agg(price_usd order by purchased_at desc, price_usd desc))[1] as last_sale_usd
      from (
        select m.edition_id, s.price_usd, s.purchased_at
        from pg_temp.taken_sales s join wallets.nft_core_metadata m on m.nft_id = s.nft_id
        where not exists (select 1 from pg_temp.taken_moments t where t.nft_id = s.nft_id)
        union all
        select m.edition_id, p.price_usd, p.purchased_at
        from pg_temp.taken_moments t join wallets.nft_core_metadata m on m.nft_id = t.nft_id
          join wallets.purchases p on p.nft_id = t.nft_id
      ) as sold group by edition_id
    ), touched as (
      select edition_id from counts where supply <> 0 or held <> 0 or locked <> 0
      union select edition_id from holders where holders <> 0
      union select edition_id from sales
      union select edition_id from pg_temp.taken_editions
    )
    select t.edition_id, coalesce(c.supply, 0) as supply, coalesce(c.held, 0) as held, coalesce(c.locked, 0) as locked,
      coalesce(h.holders, 0) as holders, coalesce(s.sale_count, 0) as sale_count, coalesce(s.sale_sum_usd, 0) as sale_sum_usd,
      s.last_sale_at, s.last_sale_usd
    from touched t left join counts c on c.edition_id = t.edition_id left join holders h on h.edition_id = t.edition_id
      left join sales s on s.edition_id = t.edition_id;

    analyze pg_temp.edition_changes`);
  const { rowCount } = await tx.query(`
    insert into wallets.editions_snapshot as s
    select c.edition_id, coalesce(e.supply, 0) + c.supply, coalesce(e.held, 0) + c.held, coalesce(e.holders, 0) + c.holders,
      coalesce(e.locked, 0) + c.locked, ep.floor_usd,
      coalesce(ep.average_sale_usd, round((coalesce(e.sale_sum_usd, 0) + c.sale_sum_usd)
        / nullif(coalesce(e.sale_count, 0) + c.sale_count, 0), 2)),
      coalesce(e.sale_count, 0) + c.sale_count, coalesce(e.sale_sum_usd, 0) + c.sale_sum_usd,
      case when is_later then c.last_sale_usd else e.last_sale_usd end,
      case when is_later then c.last_sale_at else e.last_sale_at end, now()
    from pg_temp.edition_changes c
      left join wallets.editions_snapshot e on e.edition_id = c.edition_id
      left join wallets.edition_prices ep on ep.edition_id = c.edition_id,
      lateral (select coalesce((c.last_sale_at, c.last_sale_usd) >= (e.last_sale_at, e.last_sale_usd),
        c.last_sale_at is not null) as is_later) as sale
    order by c.edition_id
    on conflict (edition_id) do update set supply = excluded.supply, held = excluded.held, holders = excluded.holders,
      locked = excluded.locked, floor_usd = excluded.floor_usd, average_sale_usd = excluded.average_sale_usd,
      sale_count = excluded.sale_count, sale_sum_usd = excluded.sale_sum_usd, last_sale_usd = excluded.last_sale_usd,
      last_sale_at = excluded.last_sale_at, updated_at = excluded.updated_at`);
  await recountSalesOfLosers(tx);
  return rowCount ?? 0;
}

/** An edition that a moment was taken from, which is a correction and rare, has its sales counted anew. */
async function recountSalesOfLosers(tx: Transaction): Promise<void> {
  await tx.query(`
    update wallets.editions_snapshot e
    set sale_count = s.sale_count, sale_sum_usd = s.sale_sum_usd, last_sale_usd = s.last_sale_usd,
      last_sale_at = s.last_sale_at,
      average_sale_usd = coalesce(
        (select p.average_sale_usd from wallets.edition_prices p where p.edition_id = e.edition_id),
        round(s.sale_sum_usd / nullif(s.sale_count, 0), 2))
    from (
      select lost.edition_id, count(p.nft_id) as sale_count, coalesce(sum(p.price_usd), 0) as sale_sum_usd,
        max(p.purchased_at) as last_sale_at,
        (array_agg(p.price_usd order by p.purchased_at desc, p.price_usd desc) filter (where p.nft_id is not null))[1] as last_sale_usd
      from (select distinct edition_id from pg_temp.taken_moments where edition_id is not null) as lost
        left join wallets.nft_core_metadata m on m.edition_id = lost.edition_id
        left join wallets.purchases p on p.nft_id = m.nft_id
      group by lost.edition_id
    ) as s
    where s.edition_id = e.edition_id`);
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
