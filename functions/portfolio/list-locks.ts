import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { operations } from './contract.ts';

const position = z.tuple([decimal, z.int32().positive()]);

/**
 * The governance locks of a wallet as last observed, largest amount first. Amounts are decimal strings.
 *
 * At most 200 per page. An expired lock stays listed, and so does one that a source no longer names: only an observation
 * changes a lock. A change shows at once.
 *
 * @throws NotFound      nothing is known about the wallet
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listLocks = read(operations.listLocks, {
  statement: ({ path, query }) => {
    const { limit, cursor } = query;
    const list = listId(operations.listLocks, { path, query });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    return sql`
      with wallet as (select id, address from portfolio.wallets where address = ${toBytes(path.wallet)}),
        page as (
          select *, row_number() over (order by amount desc, id desc) as n, count(*) over () as total
          from (
            select p.id, p.protocol, p.chain, p.external_id, p.kind, p.token_id, l.amount, l.unlock_at, l.voting_power, l.as_of, l.block
            from portfolio.positions p join portfolio.governance_locks l on l.position_id = p.id
            where p.wallet_id = (select id from wallet)
              ${after === undefined ? empty : sql`and (l.amount, p.id) < (${after[0]}::numeric, ${after[1]}::integer)`}
            order by l.amount desc, p.id desc limit ${limit + 1}
          ) as l
        ), listed as (
          select page.*, jsonb_build_object(
            'protocol', page.protocol, 'chain', page.chain, 'id', page.external_id, 'kind', page.kind, 'token', t.key,
            'amount', trim_scale(page.amount)::text, 'unlockAt', platform.iso(page.unlock_at),
            'votingPower', trim_scale(page.voting_power)::text, 'observedAt', platform.iso(page.as_of),
            'block', page.block::text) as item
          from page left join portfolio.tokens t on t.id = page.token_id
        )
      select jsonb_build_object(
          'wallet', portfolio.wallet_name(w.address),
          'coverage', (select jsonb_build_object('oldestObservedAt', platform.iso(min(as_of))) from listed where n <= ${limit}),
          'locks', coalesce((select jsonb_agg(item order by n) from listed where n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(trim_scale(amount)::text)`, sql`to_jsonb(id)`)}
                         from listed where n = ${limit} and total > ${limit})
        )::text as body, (select min(as_of) from listed where n <= ${limit}) as as_of
      from wallet w`;
  },
});
