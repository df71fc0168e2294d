import sql, { type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { address, toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';

const position = z.tuple([z.int32(), address]);

/**
 * The holders of a collection, most tokens first. `asOf` selects the latest imported list of holders at or before a time.
 *
 * At most 200 per page. A change of owners shows at once.
 *
 * @throws NotFound      there is no such collection, or no list that old
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listHolders = read(operations.listHolders, {
  statement: ({ path, query }) => {
    const { limit, cursor, asOf } = query;
    const list = listId(operations.listHolders, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    const afterCursor = after
      ? sql`and (h.token_count, h.owner) < (${after[0]}::integer, ${toBytes(after[1])})`
      : sql``;
    return sql`
      with chosen as (${asOf === undefined ? currentTotals(path.address) : snapshotTotals(path.address, asOf)}),
        page as (
          select h.* from chosen c, lateral (
            select * from (${asOf === undefined ? currentHolders : snapshotHolders}) as h
            where true ${afterCursor} order by h.token_count desc, h.owner desc limit ${limit + 1}
          ) as h
        ),
        numbered as (select *, row_number() over (order by token_count desc, owner desc) as n, count(*) over () as total from page)
      select jsonb_build_object(
          'holders', coalesce((select jsonb_agg(jsonb_build_object('address', '0x' || encode(owner, 'hex'),
            'tokenCount', token_count, 'amount', amount::text) order by n) from numbered where n <= ${limit}), '[]'),
          'holderCount', c.holders, 'tokenCount', c.tokens, 'asOf', platform.iso(c.at),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(token_count)`, sql`to_jsonb('0x' || encode(owner, 'hex'))`)}
                         from numbered where n = ${limit} and total > ${limit})
        )::text as body, c.at as as_of
      from chosen c`;
  },
});

function currentTotals(name: string): Sql {
  return sql`
    select c.id, c.holder_count as holders, c.held_count as tokens,
      (select max(s.snapshot_at) from collections.holder_snapshots s
       where s.collection_id = c.id and s.completed_at is not null and c.holdings_from = 'lists') as at
    from collections.collections c where ${collectionNamed(name)}`;
}

const currentHolders = sql`
  select u.user_address as owner, u.token_count, u.amount from collections.user_collections u where u.collection_id = c.id`;

function snapshotTotals(name: string, asOf: string): Sql {
  return sql`
    select s.id, count(*) as holders, sum(h.token_count) as tokens, s.snapshot_at as at
    from (
      select l.id, l.snapshot_at from collections.collections c join collections.holder_snapshots l on l.collection_id = c.id
      where ${collectionNamed(name)} and l.snapshot_at <= ${asOf}::timestamptz and l.completed_at is not null
      order by l.snapshot_at desc limit 1) as s
    join collections.snapshot_holders h on h.snapshot_id = s.id
    group by s.id, s.snapshot_at`;
}

const snapshotHolders = sql`
  select h.owner, h.token_count, h.token_count::numeric as amount from collections.snapshot_holders h
  where h.snapshot_id = c.id`;
