import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Timeframe } from './risk-statements.ts';

/** The correlation of two tokens' daily log returns. */
export interface Correlation {
  timeframe: Timeframe['name'];
  token_id: number;
  other_token_id: number;
  correlation: number;
  days: number;
}

/** Risk figures of a wallet. Null: there were too few days. */
export interface WalletRisk {
  wallet_id: number;
  timeframe: Timeframe['name'];
  volatility: number | null;
  max_drawdown: number | null;
  days: number;
}

/** Replaces all correlations. */
export async function recordCorrelations(tx: Transaction, correlations: readonly Correlation[]): Promise<Changed> {
  const given = sql`jsonb_to_recordset(${JSON.stringify(correlations)}::jsonb)
    as g (timeframe text, token_id integer, other_token_id integer, correlation float8, days integer)`;
  await tx.query(sql`
    delete from portfolio.asset_correlations c where not exists (
      select from ${given} where (g.timeframe, g.token_id, g.other_token_id) = (c.timeframe, c.token_id, c.other_token_id))`);
  const { rowCount } = await tx.query(sql`
    insert into portfolio.asset_correlations (timeframe, token_id, other_token_id, correlation, days, computed_at)
    select timeframe, token_id, other_token_id, correlation, days, now() from ${given} order by 1, 2, 3
    on conflict (timeframe, token_id, other_token_id) do update
      set correlation = excluded.correlation, days = excluded.days, computed_at = excluded.computed_at`);
  return { applied: rowCount ?? 0, unchanged: 0 };
}

/** Replaces the figures of these wallets. */
export async function recordWalletRisks(tx: Transaction, risks: readonly WalletRisk[]): Promise<Changed> {
  const { rowCount } = await tx.query(sql`
    insert into portfolio.wallet_risks (wallet_id, timeframe, volatility, max_drawdown, days, computed_at)
    select wallet_id, timeframe, volatility, max_drawdown, days, now()
    from jsonb_to_recordset(${JSON.stringify(risks)}::jsonb)
      as g (wallet_id integer, timeframe text, volatility float8, max_drawdown float8, days integer)
    order by 1, 2
    on conflict (wallet_id, timeframe) do update set volatility = excluded.volatility,
      max_drawdown = excluded.max_drawdown, days = excluded.days, computed_at = excluded.computed_at`);
  return { applied: rowCount ?? 0, unchanged: 0 };
}
