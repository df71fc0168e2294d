import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { writeTiered } from '../../shared/db/tiers.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { recordTokens, type TokenReference, tokenKeyOf } from './record-tokens.ts';

/** A price in USD, as decimal strings. Of a candle, `priceUsd` is the close, and `recordedAt` the time of it. */
export interface Price {
  token: TokenReference;
  recordedAt: Date;
  priceUsd: string;
  openUsd: string | null;
  highUsd: string | null;
  lowUsd: string | null;
  volumeUsd: string | null;
  marketCapUsd: string | null;
  source: 'defillama' | 'coingecko' | 'alchemy' | 'import';
}

const stagedPrices = new TemporaryTable('staged_prices', {
  token_id: 'integer',
  recorded_at: 'timestamptz',
  price_usd: 'numeric',
  open_usd: 'numeric',
  high_usd: 'numeric',
  low_usd: 'numeric',
  volume_usd: 'numeric',
  market_cap_usd: 'numeric',
  source: 'text',
});

/**
 * Adds prices to the history of tokens, corrects stored prices that differ, and creates missing tokens. A price of a month
 * that is packed or archived is stored among the late ones. Where a price gives no value, the stored one stays.
 *
 * @source DefiLlama, CoinGecko, Alchemy, or the import `portfolio.prices`
 */
export async function recordPrices(tx: Transaction, prices: readonly Price[]): Promise<Changed> {
  const ids = await recordTokens(
    tx,
    prices.map(({ token }) => token),
  );
  await stagedPrices.fill(tx, prices, (one) => ({
    token_id: ids.get(tokenKeyOf(one.token))!,
    recorded_at: BigInt(one.recordedAt.getTime()) * 1_000n,
    price_usd: one.priceUsd,
    open_usd: one.openUsd,
    high_usd: one.highUsd,
    low_usd: one.lowUsd,
    volume_usd: one.volumeUsd,
    market_cap_usd: one.marketCapUsd,
    source: one.source,
  }));
  const applied = await writeTiered(
    tx,
    'portfolio.price_snapshots',
    ['token_id', 'recorded_at'],
    stagedPrices,
    'leave',
  );
  return { applied, unchanged: prices.length - applied };
}
