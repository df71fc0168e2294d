import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';

/**
 * The latest price of a token, with its source and age.
 *
 * @throws NotFound  there is no such token
 */
export const getTokenPrice = read(operations.getTokenPrice, {
  statement: ({ path }) => sql`
    select jsonb_build_object('id', t.key, 'symbol', t.symbol, 'priceUsd', trim_scale(p.price_usd)::text,
        'recordedAt', platform.iso(p.recorded_at), 'source', p.source, 'disputedSince', platform.iso(t.disputed_since)
      )::text as body, p.recorded_at as as_of
    from portfolio.tokens t left join portfolio.latest_prices p on p.token_id = t.id
    where t.key = ${path.id}`,
});
