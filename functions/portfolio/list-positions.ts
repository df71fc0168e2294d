import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { operations } from './contract.ts';

const position = z.tuple([z.int32().positive()]);

/**
 * What a wallet has put into protocols, each position as last observed, in the order in which they were first seen. Amounts
 * and values are decimal strings, values in USD.
 *
 * At most 200 per page. A position that a source no longer names stays as it was, with the time of its last observation. A
 * change shows at once.
 *
 * @throws NotFound      nothing is known about the wallet
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listPositions = read(operations.listPositions, {
  statement: ({ path, query }) => {
    const { limit, cursor } = query;
    const list = listId(operations.listPositions, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position)[0];
    return sql`
      with wallet as (select id, address from portfolio.wallets where address = ${toBytes(path.wallet)}),
        page as (
          select p.*, row_number() over (order by p.id) as n, count(*) over () as total
          from (
            select * from portfolio.positions where wallet_id = (select id from wallet)
              ${after === undefined ? empty : sql`and id > ${after}`}
            order by id limit ${limit + 1}
          ) as p
        ), listed as (
          select page.n, page.total, page.id, l.first_captured_at, l.captured_at, jsonb_build_object(
            'protocol', page.protocol, 'chain', page.chain, 'id', page.external_id, 'kind', page.kind, 'token', t.key,
            'amount', trim_scale(l.amount)::text, 'valueUsd', trim_scale(l.value_usd)::text,
            'unlockAt', platform.iso(l.unlock_at), 'observedAt', platform.iso(l.captured_at)) as item
          from page left join portfolio.latest_positions l on l.position_id = page.id
            left join portfolio.tokens t on t.id = page.token_id
        )
      select jsonb_build_object(
          'wallet', portfolio.wallet_name(w.address),
          'coverage', (select jsonb_build_object('since', platform.iso(min(first_captured_at)),
              'oldestObservedAt', platform.iso(min(captured_at))) from listed where n <= ${limit}),
          'positions', coalesce((select jsonb_agg(item order by n) from listed where n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(id)`)} from listed where n = ${limit} and total > ${limit})
        )::text as body, (select min(captured_at) from listed where n <= ${limit}) as as_of
      from wallet w`;
  },
});
