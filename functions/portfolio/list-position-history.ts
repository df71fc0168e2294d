import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { historyRange } from './history-range.ts';

type Input = OperationInput<typeof operations.listPositionHistory>;

const table = 'portfolio.position_snapshots';
const position = z.tuple([z.iso.datetime(), z.int32().positive()]);

/**
 * Observations of the positions of a wallet over [from, to), oldest first. Amounts and values are decimal strings, values in
 * USD, times UTC. They are those of the positions that the wallet has now, also of the time when somebody else had them.
 *
 * At most 5,000 per page, and 400 days. Months in the archive come from files. A new observation shows at once.
 *
 * @throws NotFound      nothing is known about the wallet
 * @throws InvalidInput  the range is inverted, too long, or out of range, or the cursor belongs to another list
 * @throws Unavailable   a file could not be read (retryable)
 */
export const listPositionHistory = read(operations.listPositionHistory, {
  archived: (input) => {
    const series = sql`
      select p.id from portfolio.positions p join portfolio.wallets w on w.id = p.wallet_id
      where w.address = ${toBytes(input.path.wallet)}`;
    const { since, until } = rangeOf(input);
    return [{ table, series, since, until }];
  },
  statement: (input, archived) => {
    const { limit } = input.query;
    const { after } = rangeOf(input);
    const list = listOf(input);
    return sql`
      with wallet as (select id, address from portfolio.wallets where address = ${toBytes(input.path.wallet)}),
        page as (
          select *, row_number() over (order by captured_at, position_id) as n, count(*) over () as total
          from (
            select * from ${archived(table).all} as s
            ${after === undefined ? empty : sql`where (captured_at, position_id) > (${after[0]}::timestamptz, ${after[1]}::integer)`}
            order by captured_at, position_id limit ${limit + 1}
          ) as s
        ), covered as (
          select min(l.first_captured_at) as since, max(l.captured_at) as until
          from portfolio.positions p join portfolio.latest_positions l on l.position_id = p.id
          where p.wallet_id = (select id from wallet)
        )
      select jsonb_build_object(
          'wallet', portfolio.wallet_name(w.address),
          'coverage', (select jsonb_build_object('since', platform.iso(since), 'until', platform.iso(until)) from covered),
          'snapshots', coalesce((
            select jsonb_agg(jsonb_build_object('at', platform.iso(s.captured_at), 'protocol', p.protocol, 'chain', p.chain,
              'id', p.external_id, 'kind', p.kind, 'token', t.key, 'amount', trim_scale(s.amount)::text,
              'valueUsd', trim_scale(s.value_usd)::text, 'unlockAt', platform.iso(s.unlock_at)) order by s.n)
            from page s join portfolio.positions p on p.id = s.position_id left join portfolio.tokens t on t.id = p.token_id
            where s.n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(platform.iso(captured_at))`, sql`to_jsonb(position_id)`)}
                         from page where n = ${limit} and total > ${limit})
        )::text as body, (select max(captured_at) from page) as as_of
      from wallet w`;
  },
});

function listOf(input: Input): string {
  return listId(operations.listPositionHistory, input);
}

/** The part of the range from the cursor's time on, and the cursor. */
function rangeOf(input: Input) {
  const { cursor } = input.query;
  const { since, until } = historyRange(input.query, { defaultDays: 30, maxDays: 400, of: 'days' });
  const after = cursor === undefined ? undefined : decodeCursor(cursor, listOf(input), position);
  return { since: after === undefined ? since : new Date(after[0]), until, after };
}
