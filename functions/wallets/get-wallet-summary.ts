import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { operations } from './contract.ts';
import { countEditions, heldBy, summarize } from './summaries.ts';

/**
 * The moments that a wallet holds, counted and valued. Values are decimal strings in USD.
 *
 * A change to the wallet's holdings shows at once: until a refresh applies it to the snapshot, the response is computed on
 * demand (`x-source: live`). Prices are as of the snapshot's last refresh, normally seconds ago.
 *
 * @throws NotFound  the wallet is unknown: it holds nothing and has no profile
 */
export const getWalletSummary = read(operations.getWalletSummary, {
  statement: ({ path }) => {
    const wallet = toBytes(path.address);
    const live = summarize(countEditions(heldBy(sql`select ${wallet}::bytea as wallet_address`)));
    return sql`
      with snapshot as (
        select * from wallets.wallet_summary_snapshot
        where wallet_address = ${wallet}
          and not exists (select 1 from wallets.dirty_wallets where wallet_address = ${wallet})
      ), answer as (
        select false as live, s.* from snapshot s
        union all
        select true, l.*, null::timestamptz from (${live}) as l where not exists (select 1 from snapshot)
      )
      select jsonb_build_object(
          'address', wallets.wallet_name(known.wallet_address),
          'displayName', coalesce(a.display_name, known.display_name),
          'momentsTotal', coalesce(a.moments_total, 0), 'lockedCount', coalesce(a.locked_count, 0),
          'unlockedCount', coalesce(a.unlocked_count, 0),
          'tiers', jsonb_build_object('COMMON', coalesce(a.tier_common, 0), 'UNCOMMON', coalesce(a.tier_uncommon, 0),
            'RARE', coalesce(a.tier_rare, 0), 'LEGENDARY', coalesce(a.tier_legendary, 0),
            'ULTIMATE', coalesce(a.tier_ultimate, 0)),
          'floorValueUsd', coalesce(a.floor_value, 0)::text, 'averageSaleValueUsd', coalesce(a.asp_value, 0)::text,
          'pricedMoments', coalesce(a.priced_moments, 0), 'lastSyncedAt', platform.iso(a.last_synced_at),
          'updatedAt', platform.iso(a.updated_at)
        )::text as body, a.updated_at as as_of, coalesce(a.live, true) as live
      from (select wallet_address, display_name from wallets.wallet_profiles where wallet_address = ${wallet}
            union all
            select wallet_address, null from answer
            limit 1) as known
        left join answer a on true`;
  },
});
