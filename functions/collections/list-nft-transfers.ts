import sql from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';

const position = z.tuple([z.int(), z.int32(), z.int().min(0).max(32_767), z.string().regex(/^\d{1,18}$/)]);

/**
 * A token's transfers by position in the chain, latest first. `logIndex` is null if the source omits it.
 *
 * At most 200 per page. A transfer, or its removal by a reorg, shows at once.
 *
 * @throws NotFound      there is no such collection or token
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listNftTransfers = read(operations.listNftTransfers, {
  statement: ({ path, query }) => {
    const { limit, cursor } = query;
    const list = listId(operations.listNftTransfers, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    const afterCursor = after
      ? sql`and (t.block_number, t.log_index, t.batch_index, t.id) < (${after[0]}::bigint, ${after[1]}::integer, ${after[2]}::smallint, ${after[3]}::bigint)`
      : sql``;
    return sql`
      select jsonb_build_object(
          'transfers', coalesce(jsonb_agg(jsonb_build_object(
            'transactionHash', '0x' || encode(t.transaction_hash, 'hex'), 'logIndex', nullif(t.log_index, -1),
            'blockNumber', t.block_number, 'timestamp', platform.iso(t.block_timestamp),
            'from', '0x' || encode(t.from_address, 'hex'), 'to', '0x' || encode(t.to_address, 'hex'),
            'amount', t.amount::text, 'priceEth', t.price_eth::text) order by t.n) filter (where t.n <= ${limit}), '[]'),
          'nextCursor', max(t.next) filter (where t.n = ${limit} and t.total > ${limit})
        )::text as body, max(t.block_timestamp) as as_of
      from collections.nfts n join collections.collections c on c.id = n.collection_id
        left join lateral (
          select *, row_number() over () as n, count(*) over () as total,
            ${cursorSql(list, sql`to_jsonb(block_number)`, sql`to_jsonb(log_index)`, sql`to_jsonb(batch_index)`, sql`to_jsonb(id::text)`)} as next
          from (
            select * from collections.transfers t where t.nft_id = n.id ${afterCursor}
            order by t.block_number desc, t.log_index desc, t.batch_index desc, t.id desc limit ${limit + 1}
          ) as latest
        ) as t on true
      where ${collectionNamed(path.address)} and n.token_id = ${path.tokenId}::numeric
      group by n.id`;
  },
});
