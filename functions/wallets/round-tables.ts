/** The temporary tables of a round of `refresh-snapshots` or `rebuild-snapshots`. */
import { TemporaryTable } from '../../shared/db/temporary-table.ts';

/** Changed holdings, as of the last round. */
export const takenHoldings = new TemporaryTable('taken_holdings', {
  nft_id: 'bigint',
  wallet_address: 'bytea',
  is_locked: 'boolean',
});

/** Moments whose edition changed, with their edition as of the last round. */
export const takenMoments = new TemporaryTable('taken_moments', { nft_id: 'bigint', edition_id: 'integer' });

/** Sales since the last round. */
export const takenSales = new TemporaryTable('taken_sales', {
  nft_id: 'bigint',
  price_usd: 'numeric',
  purchased_at: 'timestamptz',
});

/** Editions whose price or names changed. */
export const takenEditions = new TemporaryTable('taken_editions', { edition_id: 'integer' });

/** The wallets that the round announces. */
export const refreshedWallets = new TemporaryTable('refreshed_wallets', { wallet_address: 'bytea' });

/** The moments of each edition that the round's wallets hold, from `countEditions`. */
export const countedHoldings = new TemporaryTable('counted_editions', {
  wallet_address: 'bytea',
  edition_id: 'integer',
  moments: 'integer',
  locked: 'integer',
  last_synced_at: 'timestamptz',
});

/** The difference that the round adds to the counters of each edition. */
export const editionChanges = new TemporaryTable('edition_changes');
