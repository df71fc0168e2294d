import sql from 'sql-template-tag';
import { withoutFiles } from '../../shared/archive/archived.ts';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { archivedPrices, portfoliosAt, pricesAt } from './value-portfolios.ts';

const holdingsListed = 20;

/**
 * Wallets in the order in which they were added, each with its value and its 20 most valuable holdings.
 *
 * At most 100 per page. With `minValue` (USD), only wallets whose priced holdings are worth that much; `total` counts all
 * of them, for which the holdings of every wallet are valued. A change of a balance, a price, or a token shows at once.
 */
export const listPortfolios = read(operations.listPortfolios, {
  statement: ({ query: { page, limit, minValue } }) => {
    const at = new Date();
    // nothing of the last three days is in files
    const archived = withoutFiles([archivedPrices(sql`select id from portfolio.wallets`, at)]);
    const matching =
      minValue === undefined
        ? sql`select id from portfolio.wallets`
        : sql`
          select b.wallet_id as id
          from portfolio.token_balances b
            left join (${pricesAt(sql`select id as token_id from portfolio.tokens`, at, archived)}) as p on p.token_id = b.token_id
          group by b.wallet_id
          -- nothing held is worth nothing; what has no price is worth nobody knows what
          having coalesce(sum(b.balance * p.price_usd) filter (where b.balance > 0), case when max(b.balance) = 0 then 0 end)
            >= ${minValue}::numeric`;
    const wallets = sql`select id from listed`;
    return sql`
      with matching as materialized (${matching}),
        listed as materialized (select id from matching order by id limit ${limit} offset ${(page - 1) * limit}),
        total as (select count(*)::integer as n from matching)
      select jsonb_build_object(
          'portfolios', coalesce((
            select jsonb_agg(p.body order by p.id)
            from (${portfoliosAt({ wallets, at, isPast: false, maxHoldings: holdingsListed, archived })}) as p), '[]'),
          'page', ${page}::integer, 'limit', ${limit}::integer, 'total', n, 'pages', (n + ${limit} - 1) / ${limit}
        )::text as body
      from total`;
  },
});
