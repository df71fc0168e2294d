/** The temporary tables of a round of `refresh-snapshots` or `rebuild-snapshots`. */
import { TemporaryTable } from '../../shared/db/temporary-table.ts';

/**
 * The changed moments that the round applies: `nft_id`, and `wallet`, `locked`, and `edition`, each with `_before` (as
 * counted) and `_after` (now).
 */
export const movedMoments = new TemporaryTable('moved_moments');

/** Editions whose sales the round recounts, because they lost a moment. */
export const formerEditions = new TemporaryTable('former_editions');

/** Sales since the last round. */
export const takenSales = new TemporaryTable('taken_sales', {
  nft_id: 'bigint',
  price_usd: 'numeric',
  purchased_at: 'timestamptz',
});

/** Editions whose price or names changed. */
export const takenEditions = new TemporaryTable('taken_editions');

/** The wallets that hold `takenEditions`. */
export const editionHolders = new TemporaryTable('edition_holders');

/** The wallets that the round recounts. */
export const recountedWallets = new TemporaryTable('recounted_wallets');

/** The moments of each edition that the round's wallets hold, from `countEditions`. */
export const walletEditions = new TemporaryTable('wallet_editions');

/** The difference that the round adds to the counters of each edition. */
export const editionChanges = new TemporaryTable('edition_changes');
