import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

export interface ProfileRecord {
  wallet: string;
  displayName: string;
}

const stagedProfiles = new TemporaryTable('staged_profiles', { wallet_address: 'bytea', display_name: 'text' });

/** Stores the display names of wallets. @source Snowflake WALLET_PROFILES */
export async function recordProfiles(tx: Transaction, profiles: readonly ProfileRecord[]): Promise<Changed> {
  await stagedProfiles.fill(tx, profiles, (one) => ({
    wallet_address: toBytes(one.wallet),
    display_name: one.displayName,
  }));
  const { rowCount } = await tx.query(sql`
    insert into wallets.wallet_profiles (wallet_address, display_name)
    select distinct on (s.wallet_address) s.wallet_address, s.display_name
    from ${stagedProfiles} s left join wallets.wallet_profiles p on p.wallet_address = s.wallet_address
    where p.display_name is distinct from s.display_name
    order by s.wallet_address, s.position desc
    on conflict (wallet_address) do update set display_name = excluded.display_name, last_synced_at = now()`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: profiles.length - applied };
}
