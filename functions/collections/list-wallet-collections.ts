import sql from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { operations } from './contract.ts';
import { heldCollection } from './held-collections.ts';

const position = z.tuple([z.int32(), z.int32()]);

/**
 * The collections that a wallet holds, most tokens first. The list is empty for an unknown wallet.
 *
 * At most 200 per page. A change to what the wallet holds shows at once.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listWalletCollections = read(operations.listWalletCollections, {
  statement: ({ path, query }) => {
    const { limit, cursor } = query;
    const list = listId(operations.listWalletCollections, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    const afterCursor = after
      ? sql`and (h.token_count, h.collection_id) < (${after[0]}::integer, ${after[1]}::integer)`
      : sql``;
    return sql`
      select jsonb_build_object(
          'collections', coalesce(jsonb_agg(item order by n) filter (where n <= ${limit}), '[]'),
          'nextCursor', max(next) filter (where n = ${limit} and total > ${limit})
        )::text as body
      from (
        select row_number() over (order by h.token_count desc, h.collection_id desc) as n, count(*) over () as total,
          ${cursorSql(list, sql`to_jsonb(h.token_count)`, sql`to_jsonb(h.collection_id)`)} as next, ${heldCollection} as item
        from (
          select * from collections.user_collections h where h.user_address = ${toBytes(path.address)} ${afterCursor}
          order by h.token_count desc, h.collection_id desc limit ${limit + 1}
        ) as h join collections.collections c on c.id = h.collection_id
      ) as page`;
  },
});
