import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { writeTiered } from '../../shared/db/tiers.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { recordWallets } from './record-wallets.ts';

/** What a wallet was worth at a time, in USD, as a decimal string. */
export interface WalletValue {
  /** `0x…`, lower case. */
  wallet: string;
  capturedAt: Date;
  valueUsd: string;
  pricedTokens: number;
  unpricedTokens: number;
}

const stagedValues = new TemporaryTable('staged_values', {
  wallet_id: 'integer',
  captured_at: 'timestamptz',
  value_usd: 'numeric',
  priced_tokens: 'integer',
  unpriced_tokens: 'integer',
});

/**
 * Adds values to the history of wallets, corrects stored ones that differ, and creates missing wallets.
 *
 * @source the import `portfolio.values`
 */
export async function recordValues(tx: Transaction, values: readonly WalletValue[]): Promise<Changed> {
  const ids = await recordWallets(
    tx,
    values.map(({ wallet }) => wallet),
  );
  await stagedValues.fill(tx, values, (one) => ({
    wallet_id: ids.get(one.wallet)!,
    captured_at: BigInt(one.capturedAt.getTime()) * 1_000n,
    value_usd: one.valueUsd,
    priced_tokens: one.pricedTokens,
    unpriced_tokens: one.unpricedTokens,
  }));
  const applied = await writeTiered(tx, 'portfolio.portfolio_snapshots', ['wallet_id', 'captured_at'], stagedValues);
  return { applied, unchanged: values.length - applied };
}
