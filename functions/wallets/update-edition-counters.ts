/**
 * The counters of editions. A round does not recount editions, because 1% of the wallets hold moments of most editions.
 * Instead, it adds the difference between each changed moment's state at the last round (`changed_holdings`,
 * `changed_moments`) and its current state. A wallet becomes a holder of an edition when its count for that edition rises
 * from zero.
 */
import sql from 'sql-template-tag';
import { setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { statColumns } from './edition-stats.ts';
import {
  countedHoldings,
  editionChanges,
  takenEditions,
  takenHoldings,
  takenMoments,
  takenSales,
} from './round-tables.ts';

const moved = new TemporaryTable('moved');

/** Adds a round's changes to the counters, under its snapshot, and returns the number of changed editions. */
export async function updateEditionCounters(tx: Transaction): Promise<number> {
  await tx.query(sql`
    create temporary table ${moved} on commit drop as
    select case when h.nft_id is not null then h.wallet_address else s.wallet_address end as wallet_before,
      case when h.nft_id is not null then h.is_locked else s.is_locked end as locked_before,
      case when t.nft_id is not null then t.edition_id else m.edition_id end as edition_before,
      s.wallet_address as wallet_after, s.is_locked as locked_after, m.edition_id as edition_after
    from ${takenHoldings} h full join ${takenMoments} t on t.nft_id = h.nft_id
      left join wallets.wallet_holdings s on s.nft_id = coalesce(h.nft_id, t.nft_id)
      left join wallets.nft_core_metadata m on m.nft_id = coalesce(h.nft_id, t.nft_id);

    create temporary table ${editionChanges} on commit drop as
    with sides as (
      select edition_before as edition_id, wallet_before as wallet_address, locked_before as is_locked, -1 as sign from ${moved}
      union all
      select edition_after, wallet_after, locked_after, 1 from ${moved}
    ), pairs as (
      select edition_id, wallet_address, sum(sign) as net from sides
      where edition_id is not null and wallet_address is not null
      group by edition_id, wallet_address having sum(sign) <> 0
    ), holders as (
      select p.edition_id,
        sum((coalesce(c.moments, 0) > 0)::integer - (coalesce(c.moments, 0) - p.net > 0)::integer) as holders
      from pairs p
        left join ${countedHoldings} c on c.wallet_address = p.wallet_address and c.edition_id = p.edition_id
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
        from ${takenSales} s join wallets.nft_core_metadata m on m.nft_id = s.nft_id
        where not exists (select 1 from ${takenMoments} t where t.nft_id = s.nft_id)
        union all
        select m.edition_id, p.price_usd, p.purchased_at
        from ${takenMoments} t join wallets.nft_core_metadata m on m.nft_id = t.nft_id
          join wallets.purchases p on p.nft_id = t.nft_id
      ) as sold group by edition_id
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
      last_sale_at = s.last_sale_at,
      average_sale_usd = coalesce(
        (select p.average_sale_usd from wallets.edition_prices p where p.edition_id = e.edition_id),
        round(s.sale_sum_usd / nullif(s.sale_count, 0), 2))
    from (
      select lost.edition_id, count(p.nft_id) as sale_count, coalesce(sum(p.price_usd), 0) as sale_sum_usd,
        max(p.purchased_at) as last_sale_at,
        (array_agg(p.price_usd order by p.purchased_at desc, p.price_usd desc) filter (where p.nft_id is not null))[1] as last_sale_usd
      from (select distinct edition_id from ${takenMoments} where edition_id is not null) as lost
        left join wallets.nft_core_metadata m on m.edition_id = lost.edition_id
        left join wallets.purchases p on p.nft_id = m.nft_id
      group by lost.edition_id
    ) as s
    where s.edition_id = e.edition_id`);
}
