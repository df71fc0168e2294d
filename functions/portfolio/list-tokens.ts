import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { operations } from './contract.ts';

const position = z.tuple([z.string().max(100)]);

/**
 * Tokens with their latest prices, ordered by id. Prices are decimal strings in USD, and may be of any age: `recordedAt` has
 * it.
 *
 * At most 200 per page. A new token or price shows at once.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listTokens = read(operations.listTokens, {
  statement: ({ query }) => {
    const { chain, limit, cursor } = query;
    const list = listId(operations.listTokens, { query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position)[0];
    return sql`
      with page as (
        select *, row_number() over (order by key) as n, count(*) over () as total
        from (
          select * from portfolio.tokens
          where true ${chain === undefined ? empty : sql`and chain = ${chain}`} ${after === undefined ? empty : sql`and key > ${after}`}
          order by key limit ${limit + 1}
        ) as t
      )
      select jsonb_build_object(
          'tokens', coalesce(jsonb_agg(jsonb_build_object(
              'id', t.key, 'symbol', t.symbol, 'name', t.name, 'chain', t.chain, 'address', '0x' || encode(t.address, 'hex'),
              'decimals', t.decimals, 'priceUsd', trim_scale(p.price_usd)::text, 'recordedAt', platform.iso(p.recorded_at),
              'source', p.source, 'disputedSince', platform.iso(t.disputed_since)) order by t.n) filter (where t.n <= ${limit}), '[]'),
          'nextCursor', max(${cursorSql(list, sql`to_jsonb(t.key)`)}) filter (where t.n = ${limit} and t.total > ${limit})
        )::text as body
      from page t left join portfolio.latest_prices p on p.token_id = t.id`;
  },
});
