import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { InvalidInput } from '../../shared/kernel/errors.ts';
import { operations } from './contract.ts';
import { editionNamed } from './edition-named.ts';

const position = z.tuple([z.iso.datetime()]);

/**
 * Prices of one edition over [from, to), oldest first. Prices are decimal strings in USD, times UTC. If the edition was
 * never scraped, the prices are sales of its player's moments; `scope` says which.
 *
 * At most 5,000 per page. A new price shows at once.
 *
 * @throws NotFound      there is no such edition
 * @throws InvalidInput  the range is inverted, or the cursor belongs to another list
 */
export const getPriceHistory = read(operations.getPriceHistory, {
  statement: ({ path, query }) => {
    const { from, to, limit, cursor } = query;
    if (from !== undefined && to !== undefined && from >= to) {
      throw new InvalidInput('The range is inverted. `to` must be after `from`.', [
        { field: 'query.to', message: 'must be after from' },
      ]);
    }
    const list = listId(operations.getPriceHistory, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position)[0];
    const range = sql`
      ${from === undefined ? empty : sql`and p.scraped_at >= ${from}::timestamptz`}
      ${to === undefined ? empty : sql`and p.scraped_at < ${to}::timestamptz`}
      ${after === undefined ? empty : sql`and p.scraped_at > ${after}::timestamptz`}
      order by p.scraped_at limit ${limit + 1}`;
    return sql`
      with edition as (
        select e.id, e.set_id, e.play_id, e.player_name,
          exists (select 1 from wallets.edition_price_scrape p where p.edition_id = e.id) as is_scraped
        from wallets.editions e where ${editionNamed(path.id)}
      ), page as (
        select p.scraped_at, p.floor_usd, p.average_sale_usd as sale_usd, p.sale_count
        from edition e, lateral (
          select * from wallets.edition_price_scrape p where p.edition_id = e.id and e.is_scraped ${range}) as p
        union all
        select p.scraped_at, null, p.median_sale_usd, p.sale_count
        from edition e, lateral (
          select * from wallets.player_price_scrape p where p.player_name = e.player_name and not e.is_scraped ${range}) as p
      ), numbered as (select *, row_number() over (order by scraped_at) as n, count(*) over () as total from page)
      select jsonb_build_object(
          'id', wallets.edition_name(e.set_id, e.play_id),
          'scope', case when e.is_scraped then 'edition' else 'player' end,
          'prices', coalesce((
            select jsonb_agg(jsonb_build_object('at', platform.iso(scraped_at), 'floorUsd', floor_usd::text,
              'saleUsd', sale_usd::text, 'saleCount', sale_count) order by n)
            from numbered where n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_char(scraped_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)}
                         from numbered where n = ${limit} and total > ${limit})
        )::text as body, (select max(scraped_at) from page) as as_of
      from edition e`;
  },
});
