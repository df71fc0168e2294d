/**
 * What the read models count. A moment in `outdated_moments` counts as it was before its first change; every other moment
 * counts as it is. Each moment therefore counts in one wallet and in one edition, whichever changes a round applies.
 *
 * These relations are right only in a transaction in which `collectChanges` has collected every change that it sees.
 *
 * The number of outdated moments goes from none to millions and back before any statistics notice. So they are always
 * looked up: OFFSET keeps the planner from reading all of them.
 */
import sql, { type Sql } from 'sql-template-tag';

/** The moments counted in the wallets of a scope: `wallet_address`, `edition_id`, `is_locked`, `last_synced_at`. */
export function countedInWallets(scope: Sql): Sql {
  return sql`
    select h.wallet_address, case when o.edition_change is null then m.edition_id else o.edition_id end as edition_id,
      h.is_locked, h.last_synced_at
    from (${scope}) as scope join wallets.wallet_holdings h on h.wallet_address = scope.wallet_address
      left join wallets.nft_core_metadata m on m.nft_id = h.nft_id
      left join lateral (${outdated(sql`nft_id = h.nft_id`)}) as o on true
    where o.holding_change is null
    union all
    select o.wallet_address, case when o.edition_change is null then m.edition_id else o.edition_id end, o.is_locked, null
    from (${scope}) as scope
      cross join lateral (${outdated(sql`wallet_address = scope.wallet_address`)}) as o
      left join wallets.nft_core_metadata m on m.nft_id = o.nft_id`;
}

/** The moments counted in the editions of a scope: `nft_id`, `edition_id`, `wallet_address`, `is_locked`. */
export function countedInEditions(scope: Sql): Sql {
  return sql`
    select counted.nft_id, counted.edition_id,
      case when o.holding_change is null then h.wallet_address else o.wallet_address end as wallet_address,
      case when o.holding_change is null then h.is_locked else o.is_locked end as is_locked
    from (
        select m.nft_id, m.edition_id
        from (${scope}) as scope join wallets.nft_core_metadata m on m.edition_id = scope.edition_id
          left join lateral (${outdated(sql`nft_id = m.nft_id`)}) as o on true
        where o.edition_change is null
        union all
        select o.nft_id, o.edition_id
        from (${scope}) as scope cross join lateral (${outdated(sql`edition_id = scope.edition_id`)}) as o
      ) as counted
      left join lateral (${outdated(sql`nft_id = counted.nft_id`)}) as o on true
      left join wallets.wallet_holdings h on h.nft_id = counted.nft_id`;
}

/** Looks up outdated moments by an index, in a lateral join. */
export function outdated(condition: Sql): Sql {
  return sql`select * from wallets.outdated_moments where ${condition} offset 0`;
}
