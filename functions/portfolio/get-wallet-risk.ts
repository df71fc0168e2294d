import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { operations } from './contract.ts';

/**
 * The volatility and the maximum drawdown of a wallet's value over 30 and 90 days, as decimal strings. Null where there
 * were too few days; no timeframe that was not computed.
 *
 * A new computation shows at once.
 *
 * @throws NotFound  nothing is known about the wallet
 */
export const getWalletRisk = read(operations.getWalletRisk, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'wallet', portfolio.wallet_name(w.address),
        'timeframes', coalesce((
          select jsonb_agg(jsonb_build_object('timeframe', r.timeframe,
            'volatility', trim_scale(round(r.volatility::numeric, 6))::text,
            'maxDrawdown', trim_scale(round(r.max_drawdown::numeric, 6))::text, 'days', r.days,
            'computedAt', platform.iso(r.computed_at)) order by r.timeframe)
          from portfolio.wallet_risks r where r.wallet_id = w.id), '[]')
      )::text as body, (select min(computed_at) from portfolio.wallet_risks r where r.wallet_id = w.id) as as_of
    from portfolio.wallets w where w.address = ${toBytes(path.address)}`,
});
