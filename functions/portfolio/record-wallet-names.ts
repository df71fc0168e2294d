import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** What is said about a wallet. Null: nothing. */
export interface WalletName {
  /** `0x…`, lower case. */
  wallet: string;
  label: string | null;
  isTracked: boolean | null;
}

const stagedNames = new TemporaryTable('staged_wallet_names', {
  address: 'bytea',
  label: 'text',
  is_tracked: 'boolean',
});

/** Labels wallets, starts and stops tracking them, and creates missing ones. What is not said about a wallet stays. */
export async function recordWalletNames(tx: Transaction, names: readonly WalletName[]): Promise<Changed> {
  await stagedNames.fill(tx, names, (one) => ({
    address: toBytes(one.wallet),
    label: one.label,
    is_tracked: one.isTracked,
  }));
  const { rowCount } = await tx.query(sql`
    insert into portfolio.wallets (address, label, is_tracked)
    select n.address, coalesce(n.label, w.label), coalesce(n.is_tracked, w.is_tracked, false)
    from (select distinct on (address) * from ${stagedNames} order by address, position desc) as n
      left join portfolio.wallets w on w.address = n.address
    where w.id is null or (coalesce(n.label, w.label), coalesce(n.is_tracked, w.is_tracked)) is distinct from (w.label, w.is_tracked)
    order by n.address
    on conflict (address) do update set label = excluded.label, is_tracked = excluded.is_tracked`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: names.length - applied };
}
