/**
 * What the read models count. A moment in `outdated_moments` counts as it was before its first change; every other moment
 * counts as it is. Each moment therefore counts in one wallet and in one edition, whichever changes a round applies.
 *
 * These relations are right only in a transaction in which `collectChanges` has collected every change that it sees.
 */
import sql, { raw, type Sql } from 'sql-template-tag';

/** The moments counted in the wallets of a scope: `wallet_address`, `edition_id`, `is_locked`, `last_synced_at`. */
export function countedInWallets(scope: Sql): Sql {
  return sql`
    select h.wallet_address, case when o.edition_change is null then m.edition_id else o.edition_id end as edition_id,
      h.is_locked, h.last_synced_at
    from (${scope}) as scope
      cross join lateral (${lookUp('wallet_holdings', sql`wallet_address = scope.wallet_address`)}) as h
      left join lateral (${lookUp('nft_core_metadata', sql`nft_id = h.nft_id`)}) as m on true
      left join lateral (${lookUp('outdated_moments', sql`nft_id = h.nft_id`)}) as o on true
    where o.holding_change is null
    union all
    select o.wallet_address, case when o.edition_change is null then m.edition_id else o.edition_id end, o.is_locked, null
    from (${scope}) as scope
      cross join lateral (${lookUp('outdated_moments', sql`wallet_address = scope.wallet_address`)}) as o
      left join lateral (${lookUp('nft_core_metadata', sql`nft_id = o.nft_id`)}) as m on true`;
}

/** The moments counted in the editions of a scope: `nft_id`, `edition_id`, `wallet_address`, `is_locked`. */
export function countedInEditions(scope: Sql): Sql {
  return sql`
    select counted.nft_id, counted.edition_id,
      case when o.holding_change is null then h.wallet_address else o.wallet_address end as wallet_address,
      case when o.holding_change is null then h.is_locked else o.is_locked end as is_locked
    from (
        select m.nft_id, m.edition_id
        from (${scope}) as scope
          cross join lateral (${lookUp('nft_core_metadata', sql`edition_id = scope.edition_id`)}) as m
          left join lateral (${lookUp('outdated_moments', sql`nft_id = m.nft_id`)}) as o on true
        where o.edition_change is null
        union all
        select o.nft_id, o.edition_id
        from (${scope}) as scope cross join lateral (${lookUp('outdated_moments', sql`edition_id = scope.edition_id`)}) as o
      ) as counted
      left join lateral (${lookUp('outdated_moments', sql`nft_id = counted.nft_id`)}) as o on true
      left join lateral (${lookUp('wallet_holdings', sql`nft_id = counted.nft_id`)}) as h on true`;
}

/**
 * The rows of a table of the domain, for a lateral join that looks them up by an index. OFFSET keeps the planner from joining
 * in any other way: a round looks up few rows of tables whose statistics say nothing about those.
 */
export function lookUp(table: string, condition: Sql): Sql {
  return sql`select * from ${raw(`wallets.${table}`)} where ${condition} offset 0`;
}
