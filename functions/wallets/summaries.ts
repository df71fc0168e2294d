/** Counts and values the holdings of wallets, both for the snapshots and to compute responses on demand. */
import sql, { type Sql } from 'sql-template-tag';

/** The moments that the wallets of a relation `scope(wallet_address)` hold now, for `countEditions`. */
export function heldBy(scope: Sql): Sql {
  return sql`
    select h.wallet_address, m.edition_id, h.is_locked, h.last_synced_at
    from (${scope}) as scope join wallets.wallet_holdings h on h.wallet_address = scope.wallet_address
      left join wallets.nft_core_metadata m on m.nft_id = h.nft_id`;
}

/**
 * The moments of each edition in each wallet, from a relation `moments(wallet_address, edition_id, is_locked,
 * last_synced_at)`: `wallet_address`, `edition_id` (null for moments whose edition is unknown), `moments`, `locked`,
 * `last_synced_at`.
 */
export function countEditions(moments: Sql): Sql {
  return sql`
    select wallet_address, edition_id, count(*)::integer as moments,
      (count(*) filter (where is_locked))::integer as locked, max(last_synced_at) as last_synced_at
    from (${moments}) as moments
    group by wallet_address, edition_id`;
}

/** The columns of `wallet_summary_snapshot` without its key and timestamps. */
export const summaryColumns = [
  'display_name',
  'moments_total',
  'locked_count',
  'unlocked_count',
  'tier_common',
  'tier_uncommon',
  'tier_rare',
  'tier_legendary',
  'tier_ultimate',
  'floor_value',
  'asp_value',
  'priced_moments',
] as const;

/** The columns of `wallet_summary_snapshot` except `updated_at`, one row per wallet, from the result of `countEditions`. */
export function summarize(counted: Sql): Sql {
  return sql`
    select c.wallet_address, max(p.display_name) as display_name,
      sum(c.moments)::integer as moments_total, sum(c.locked)::integer as locked_count,
      sum(c.moments - c.locked)::integer as unlocked_count,
      coalesce(sum(c.moments) filter (where e.tier = 'COMMON'), 0)::integer as tier_common,
      coalesce(sum(c.moments) filter (where e.tier = 'UNCOMMON'), 0)::integer as tier_uncommon,
      coalesce(sum(c.moments) filter (where e.tier = 'RARE'), 0)::integer as tier_rare,
      coalesce(sum(c.moments) filter (where e.tier = 'LEGENDARY'), 0)::integer as tier_legendary,
      coalesce(sum(c.moments) filter (where e.tier = 'ULTIMATE'), 0)::integer as tier_ultimate,
      coalesce(sum(c.moments * ep.floor_usd), 0) as floor_value,
      coalesce(sum(c.moments * ep.average_sale_usd), 0) as asp_value,
      coalesce(sum(c.moments) filter (where ep.floor_usd is not null), 0)::integer as priced_moments,
      max(c.last_synced_at) as last_synced_at
    from (${counted}) as c
      left join wallets.editions e on e.id = c.edition_id
      left join wallets.edition_prices ep on ep.edition_id = c.edition_id
      left join wallets.wallet_profiles p on p.wallet_address = c.wallet_address
    group by c.wallet_address`;
}

/** The number of moments of each team that each wallet holds, from the result of `countEditions`. */
export function countTeams(counted: Sql): Sql {
  return sql`
    select c.wallet_address, e.team_name, sum(c.moments)::integer as moments
    from (${counted}) as c join wallets.editions e on e.id = c.edition_id
    where e.team_name is not null
    group by c.wallet_address, e.team_name`;
}

/** All wallets that hold a moment. */
export const everyWallet = sql`select distinct wallet_address from wallets.wallet_holdings where wallet_address is not null`;
