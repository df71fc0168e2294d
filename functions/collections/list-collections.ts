import sql, { raw } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { operations } from './contract.ts';

/** The sort keys. Each, with the id, is the key of an index. */
const orders = {
  name: { key: `left(coalesce(c.name, ''), 100)`, type: 'text', direction: '' },
  '-holders': { key: 'c.holder_count', type: 'integer', direction: 'desc' },
  '-tokens': { key: 'c.token_count', type: 'integer', direction: 'desc' },
  '-refreshed': { key: `coalesce(c.refreshed_at, '-infinity')`, type: 'timestamptz', direction: 'desc' },
} as const;

const position = z.tuple([z.string(), z.int32()]);

/**
 * All collections, sorted by the first 100 characters of their name (ascending), or by holders, tokens, or time of refresh
 * (descending). Ties are in the order of arrival.
 *
 * At most 200 per page. Up to one minute old: changes do not void it.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listCollections = read(operations.listCollections, {
  statement: ({ query }) => {
    const { sort, limit, cursor } = query;
    const list = listId(operations.listCollections, { query });
    const { key, type, direction } = orders[sort];
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    const afterCursor = after
      ? sql`where (${raw(key)}, c.id) ${raw(direction === '' ? '>' : '<')} (${after[0]}::${raw(type)}, ${after[1]}::integer)`
      : sql``;
    return sql`
      select jsonb_build_object(
          'collections', coalesce(jsonb_agg(item order by n) filter (where n <= ${limit}), '[]'),
          'nextCursor', max(next) filter (where n = ${limit} and total > ${limit})
        )::text as body
      from (
        select row_number() over () as n, count(*) over () as total,
          ${cursorSql(list, sql`to_jsonb((${raw(key)})::text)`, sql`to_jsonb(c.id)`)} as next,
          jsonb_build_object(
            'address', collections.name_of(c.address, c.slug), 'name', c.name, 'symbol', c.symbol, 'tokenType', c.token_type,
            'imageUrl', c.image_url, 'tokenCount', c.token_count, 'holderCount', c.holder_count,
            'refreshedAt', platform.iso(c.refreshed_at)) as item
        from (select * from collections.collections c ${afterCursor}
              order by ${raw(key)} ${raw(direction)}, c.id ${raw(direction)} limit ${limit + 1}) as c
      ) as page`;
  },
});
