/** Counts the supply, holders, and sales of editions, both to rebuild the snapshot and to compute responses on demand. */
import sql, { type Sql } from 'sql-template-tag';

/** The columns of `editions_snapshot` without its key and timestamp. */
export const statColumns = [
  'supply',
  'held',
  'holders',
  'locked',
  'floor_usd',
  'average_sale_usd',
  'sale_count',
  'sale_sum_usd',
  'last_sale_usd',
  'last_sale_at',
] as const;

/**
 * The columns of `editions_snapshot` except `updated_at`, one row per edition of a relation `scope(edition_id)`.
 *
 * @param moments  the moments of these editions and their holders: `nft_id`, `edition_id`, `wallet_address`, `is_locked`
 */
export function countStats(scope: Sql, moments: Sql): Sql {
  return sql`
    select e.edition_id, coalesce(m.supply, 0)::integer as supply, coalesce(m.held, 0)::integer as held,
      coalesce(m.holders, 0)::integer as holders, coalesce(m.locked, 0)::integer as locked, ep.floor_usd,
      coalesce(ep.average_sale_usd, round(s.sale_sum_usd / s.sale_count, 2)) as average_sale_usd,
      coalesce(s.sale_count, 0)::integer as sale_count, coalesce(s.sale_sum_usd, 0) as sale_sum_usd,
      s.last_sale_usd, s.last_sale_at
    from (${scope}) as e
      left join wallets.edition_prices ep on ep.edition_id = e.edition_id
      left join (
        select edition_id, count(*) as supply, count(wallet_address) as held, count(distinct wallet_address) as holders,
          count(*) filter (where is_locked and wallet_address is not null) as locked
        from (${moments}) as moments
        group by edition_id
      ) as m on m.edition_id = e.edition_id
      left join (
        select m.edition_id, count(*) as sale_count, sum(p.price_usd) as sale_sum_usd,
          max(p.purchased_at) as last_sale_at,
          (array_agg(p.price_usd order by p.purchased_at desc, p.price_usd desc))[1] as last_sale_usd
        from wallets.purchases p join (${moments}) as m on m.nft_id = p.nft_id
        group by m.edition_id
      ) as s on s.edition_id = e.edition_id`;
}

/** `countStats` of all editions, from the stored rows. */
export const currentStats: Sql = countStats(
  sql`select id as edition_id from wallets.editions`,
  sql`select m.nft_id, m.edition_id, h.wallet_address, h.is_locked
      from wallets.nft_core_metadata m left join wallets.wallet_holdings h on h.nft_id = m.nft_id`,
);

/** The snapshot's rows, or live counts (`live` is true) while the snapshot is empty. */
export const editionStats: Sql = sql`
  select edition_id, supply, held, holders, locked, floor_usd, average_sale_usd, sale_count, last_sale_usd, last_sale_at,
    updated_at, false as live
  from wallets.editions_snapshot
  union all
  select edition_id, supply, held, holders, locked, floor_usd, average_sale_usd, sale_count, last_sale_usd, last_sale_at,
    null::timestamptz, true
  from (${currentStats}) as counted
  where not exists (select 1 from wallets.editions_snapshot)`;

/** An edition as JSON in responses, from `e` (the edition) and `s` (its counts). */
export const editionJson: Sql = sql`jsonb_build_object(
  'id', wallets.edition_name(e.set_id, e.play_id), 'setId', e.set_id, 'playId', e.play_id, 'setName', e.set_name,
  'playerName', e.player_name, 'teamName', e.team_name, 'tier', e.tier, 'supply', coalesce(s.supply, 0),
  'held', coalesce(s.held, 0), 'locked', coalesce(s.locked, 0),
  'lockedShare', round(coalesce(s.locked, 0)::numeric / greatest(s.held, 1), 4)::text,
  'holders', coalesce(s.holders, 0), 'floorUsd', s.floor_usd::text, 'averageSaleUsd', s.average_sale_usd::text,
  'saleCount', coalesce(s.sale_count, 0), 'lastSaleUsd', s.last_sale_usd::text, 'lastSaleAt', platform.iso(s.last_sale_at))`;
