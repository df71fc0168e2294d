import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { operations } from './contract.ts';

const position = z.tuple([decimal, z.int32().positive(), z.int32().positive()]);

/**
 * The correlations (Pearson, of daily log returns) of pairs of assets over 30 or 90 days, strongest first, whatever their
 * sign. Correlations are decimal strings with six places.
 *
 * At most 1,000 per page. A pair that is missing had too few common days. A new computation shows at once.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listCorrelations = read(operations.listCorrelations, {
  statement: ({ query }) => {
    const { timeframe, limit, cursor } = query;
    const list = listId(operations.listCorrelations, { query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    return sql`
      with pairs as (
        select c.*, round(c.correlation::numeric, 6) as rounded, -abs(round(c.correlation::numeric, 6)) as weakness
        from portfolio.asset_correlations c where c.timeframe = ${timeframe}
      ), page as (
        select *, row_number() over (order by weakness, token_id, other_token_id) as n, count(*) over () as total
        from (
          select * from pairs
          where true ${after === undefined ? empty : sql`and (weakness, token_id, other_token_id) > (${after[0]}::numeric, ${after[1]}::integer, ${after[2]}::integer)`}
          order by weakness, token_id, other_token_id limit ${limit + 1}
        ) as p
      )
      select jsonb_build_object(
          'timeframe', ${timeframe}::text,
          'correlations', coalesce(jsonb_agg(jsonb_build_object(
              'tokens', jsonb_build_array(a.key, b.key), 'correlation', trim_scale(p.rounded)::text, 'days', p.days,
              'computedAt', platform.iso(p.computed_at)) order by p.n) filter (where p.n <= ${limit}), '[]'),
          'nextCursor', max(${cursorSql(list, sql`to_jsonb(trim_scale(p.weakness)::text)`, sql`to_jsonb(p.token_id)`, sql`to_jsonb(p.other_token_id)`)})
            filter (where p.n = ${limit} and p.total > ${limit})
        )::text as body, max(p.computed_at) as as_of
      from page p join portfolio.tokens a on a.id = p.token_id join portfolio.tokens b on b.id = p.other_token_id`;
  },
});
