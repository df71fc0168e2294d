/**
 * The counters of editions. A round does not recount editions, because 1% of the wallets hold moments of most editions.
 * Instead, it adds the difference between each moved moment's state as it was counted and its current state. A wallet
 * becomes a holder of an edition when its count for that edition rises from zero.
 */
import sql from 'sql-template-tag';
import { setExcluded } from '../../shared/db/column-lists.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { countedInEditions } from './counted-moments.ts';
import { countStats, statColumns } from './edition-stats.ts';
import {
  editionChanges,
  formerEditions,
  movedMoments,
  takenEditions,
  takenSales,
  walletEditions,
} from './round-tables.ts';

/**
 * Adds a round's changes to the counters, and returns the number of changed editions. It has to follow the count of the
 * round's wallets, under the same snapshot.
 */
export async function updateEditionCounters(tx: Transaction): Promise<number> {
  await tx.query(sql`
    create temporary table ${editionChanges} on commit drop as
    with sides as (
      select edition_before as edition_id, wallet_before as wallet_address, locked_before as is_locked, -1 as sign from ${movedMoments}
      union all
      select edition_after, wallet_after, locked_after, 1 from ${movedMoments}
    ), pairs as (
      select edition_id, wallet_address, sum(sign) as net from sides
      where edition_id is not null and wallet_address is not null
      group by edition_id, wallet_address having sum(sign) <> 0
    ), holders as (
      select p.edition_id,
        sum((coalesce(c.moments, 0) > 0)::integer - (coalesce(c.moments, 0) - p.net > 0)::integer) as holders
      from pairs p
        left join ${walletEditions} c on c.wallet_address = p.wallet_address and c.edition_id = p.edition_id
      group by p.edition_id
    ), counts as (
      select edition_id, sum(sign) as supply, coalesce(sum(sign) filter (where wallet_address is not null), 0) as held,
        coalesce(sum(sign) filter (where wallet_address is not null and is_locked), 0) as locked
      from sides where edition_id is not null group by edition_id
    ), redescribed as (
      select nft_id, edition_after from ${movedMoments} where edition_before is distinct from edition_after
    ), sales as (
      select edition_id, count(*) as sale_count, sum(price_usd) as sale_sum_usd, max(purchased_at) as last_sale_at,
        (array_agg(price_usd order by purchased_at desc, price_usd desc))[1] as last_sale_usd
      from (
        select case when o.edition_change is null then m.edition_id else o.edition_id end as edition_id,
          s.price_usd, s.purchased_at
        from ${takenSales} s left join wallets.nft_core_metadata m on m.nft_id = s.nft_id
          left join wallets.outdated_moments o on o.nft_id = s.nft_id
        where not exists (select 1 from redescribed r where r.nft_id = s.nft_id)
        union all
        select r.edition_after, p.price_usd, p.purchased_at
        from redescribed r join wallets.purchases p on p.nft_id = r.nft_id
      ) as sold where edition_id is not null group by edition_id
    ), touched as (
      select edition_id from counts where supply <> 0 or held <> 0 or locked <> 0
      union select edition_id from holders where holders <> 0
      union select edition_id from sales
      union select edition_id from ${takenEditions}
    )
    select t.edition_id, coalesce(c.supply, 0) as supply, coalesce(c.held, 0) as held, coalesce(c.locked, 0) as locked,
      coalesce(h.holders, 0) as holders, coalesce(s.sale_count, 0) as sale_count, coalesce(s.sale_sum_usd, 0) as sale_sum_usd,
      s.last_sale_at, s.last_sale_usd
    from touched t left join counts c on c.edition_id = t.edition_id left join holders h on h.edition_id = t.edition_id
      left join sales s on s.edition_id = t.edition_id;

    analyze ${editionChanges}`);
  const { rowCount } = await tx.query(sql`
    insert into wallets.editions_snapshot as s
    select c.edition_id, coalesce(e.supply, 0) + c.supply, coalesce(e.held, 0) + c.held, coalesce(e.holders, 0) + c.holders,
      coalesce(e.locked, 0) + c.locked, ep.floor_usd,
      coalesce(ep.average_sale_usd, round((coalesce(e.sale_sum_usd, 0) + c.sale_sum_usd)
        / nullif(coalesce(e.sale_count, 0) + c.sale_count, 0), 2)),
      coalesce(e.sale_count, 0) + c.sale_count, coalesce(e.sale_sum_usd, 0) + c.sale_sum_usd,
      case when is_later then c.last_sale_usd else e.last_sale_usd end,
      case when is_later then c.last_sale_at else e.last_sale_at end, now()
    from ${editionChanges} c
      -- an edition deleted since then has left nothing to count
      join wallets.editions known on known.id = c.edition_id
      left join wallets.editions_snapshot e on e.edition_id = c.edition_id
      left join wallets.edition_prices ep on ep.edition_id = c.edition_id,
      lateral (select coalesce((c.last_sale_at, c.last_sale_usd) >= (e.last_sale_at, e.last_sale_usd),
        c.last_sale_at is not null) as is_later) as sale
    order by c.edition_id
    on conflict (edition_id) do update set ${setExcluded([...statColumns, 'updated_at'])}`);
  await recountSalesOfFormerEditions(tx);
  return rowCount ?? 0;
}

/** Recounts the sales of editions that lost a moment. This is a rare correction, so no difference is stored for it. */
async function recountSalesOfFormerEditions(tx: Transaction): Promise<void> {
  await tx.query(sql`
    update wallets.editions_snapshot e
    set sale_count = s.sale_count, sale_sum_usd = s.sale_sum_usd, last_sale_usd = s.last_sale_usd,
      last_sale_at = s.last_sale_at, average_sale_usd = s.average_sale_usd
    from (${countStats(sql`select edition_id from ${formerEditions}`, countedInEditions(sql`select edition_id from ${formerEditions}`))}) as s
    where s.edition_id = e.edition_id`);
}
