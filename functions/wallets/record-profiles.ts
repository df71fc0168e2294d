import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

export interface ProfileRecord {
  wallet: string;
  displayName: string;
}

/** Records what wallets are called. @source Snowflake WALLET_PROFILES */
export async function recordProfiles(tx: Transaction, profiles: readonly ProfileRecord[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_profiles',
    { wallet_address: 'bytea', display_name: 'text' },
    profiles.map((one) => [toBytes(one.wallet), one.displayName]),
  );
  const { rowCount } = await tx.query(`
    insert into wallets.wallet_profiles (wallet_address, display_name)
    select distinct on (s.wallet_address) s.wallet_address, s.display_name
    from pg_temp.staged_profiles s left join wallets.wallet_profiles p on p.wallet_address = s.wallet_address
    where p.display_name is distinct from s.display_name
    order by s.wallet_address, s.position desc
    on conflict (wallet_address) do update set display_name = excluded.display_name, last_synced_at = now()`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: profiles.length - applied };
}
