import sql, { raw } from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList, differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { closedUntil, lateTableOf } from '../../shared/db/tiers.ts';
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
const valueColumns = stagedPrices.columnsExcept('token_id', 'recorded_at');
const table = 'portfolio.price_snapshots';

/**
 * Adds prices to the history of tokens, corrects stored prices that differ, and creates missing tokens. A price of a month
 * that is packed or archived is stored among the late ones.
 *
 * @source DefiLlama, CoinGecko, Alchemy, or the import `portfolio.prices`
 */
export async function recordPrices(tx: Transaction, prices: readonly Price[]): Promise<Changed> {
  const ids = await recordTokens(
    tx,
    prices.map(({ token }) => token),
  );
  const closed = await closedUntil(tx, table);
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
  let applied = 0;
  for (const [target, isLate] of [
    [table, false],
    [lateTableOf(table), true],
  ] as const) {
    const { rowCount } = await tx.query(sql`
      insert into ${raw(target)} (${columnList(stagedPrices.columns)})
      select distinct on (s.token_id, s.recorded_at) ${columnList(stagedPrices.columns, 's')}
      from ${stagedPrices} s
        left join ${raw(target)} p on p.token_id = s.token_id and p.recorded_at = s.recorded_at
      where ${differ(valueColumns, 'p', 's')} and (s.recorded_at < ${closed}) = ${isLate}
      order by s.token_id, s.recorded_at, s.position desc
      on conflict (token_id, recorded_at) do update set ${setExcluded(valueColumns)}`);
    applied += rowCount ?? 0;
  }
  return { applied, unchanged: prices.length - applied };
}
