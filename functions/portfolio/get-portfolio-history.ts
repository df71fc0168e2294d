import sql, { type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { historyRange } from './history-range.ts';

type Input = OperationInput<typeof operations.getPortfolioHistory>;

const table = 'portfolio.portfolio_snapshots';
const position = z.tuple([z.iso.datetime()]);
/** An interval's length, and how many days of it a request may span. */
const intervals = {
  '5m': { ms: 300_000, defaultDays: 1, maxDays: 35 },
  '1h': { ms: 3_600_000, defaultDays: 30, maxDays: 400 },
  '1d': { ms: 86_400_000, defaultDays: 365, maxDays: 4_000 },
};

/** A value of tokens that all had no price is unknown, and not zero. */
const isKnown = sql`(priced_tokens > 0 or unpriced_tokens = 0)`;

/**
 * The value of a wallet over [from, to), oldest first: the last of each interval in which there is one, with the lowest and
 * highest. Values are decimal strings in USD, times UTC. Intervals begin at whole multiples of their length.
 *
 * At most 5,000 per page, 35 days of `5m`, 400 of `1h`, 4,000 of `1d`. Months in the archive come from files. A new
 * snapshot shows at once.
 *
 * @throws NotFound      nothing is known about the wallet
 * @throws InvalidInput  the range is inverted, too long, or out of range, or the cursor belongs to another list
 * @throws Unavailable   a file could not be read (retryable)
 */
export const getPortfolioHistory = read(operations.getPortfolioHistory, {
  archived: (input) => {
    const series = sql`select id from portfolio.wallets where address = ${toBytes(input.path.wallet)}`;
    return [{ table, series, ...rangeOf(input) }];
  },
  statement: (input, archived) => {
    const { interval, limit } = input.query;
    const list = listOf(input);
    const { since, until } = rangeOf(input);
    const step = sql`${`${intervals[interval].ms} milliseconds`}::interval`;
    const start = (time: Sql) => sql`date_bin(${step}, ${time}, 'epoch'::timestamptz)`;
    return sql`
      with wallet as (select id, address from portfolio.wallets where address = ${toBytes(input.path.wallet)}),
        points as (
          select ${start(sql`captured_at`)} as at, max(captured_at) as captured_at,
            min(value_usd) filter (where ${isKnown}) as low, max(value_usd) filter (where ${isKnown}) as high,
            (array_agg(case when ${isKnown} then value_usd end order by captured_at desc))[1] as value,
            (array_agg(priced_tokens order by captured_at desc))[1] as priced,
            (array_agg(unpriced_tokens order by captured_at desc))[1] as unpriced
          from ${archived(table).all} as s group by 1 order by 1 limit ${limit + 1}
        ), page as materialized (select *, row_number() over (order by at) as n, count(*) over () as total from points),
        moves as (
          select ${start(sql`m.captured_at`)} as at, jsonb_agg(jsonb_build_object('at', platform.iso(m.captured_at), 'token', t.key,
            'beforeUsd', trim_scale(m.before_usd)::text, 'afterUsd', trim_scale(m.after_usd)::text, 'sources', to_jsonb(m.sources))
            order by m.captured_at, abs(coalesce(m.after_usd, 0) - coalesce(m.before_usd, 0)) desc, t.key) as items
          from portfolio.value_moves m join portfolio.tokens t on t.id = m.token_id
          where m.wallet_id = (select id from wallet) and m.captured_at >= ${since}::timestamptz and m.captured_at < ${until}::timestamptz
          group by 1
        ), spanned as (
          -- what of the page's range lies between the first and the last snapshot of the wallet
          select ${start(sql`greatest(${since}::timestamptz, l.first_captured_at)`)} as first,
            ${start(sql`least(${until}::timestamptz - interval '1 millisecond', l.captured_at,
              (select captured_at from page where n = ${limit} and total > ${limit}))`)} as last
          from portfolio.latest_values l where l.wallet_id = (select id from wallet)
        )
      select jsonb_build_object(
          'wallet', portfolio.wallet_name(w.address), 'interval', ${interval}::text,
          'coverage', jsonb_build_object('since', platform.iso(l.first_captured_at), 'until', platform.iso(l.captured_at),
            'missingIntervals', greatest(0, coalesce((
              select extract(epoch from s.last - s.first) / extract(epoch from ${step}) + 1 - (select count(*) from page where n <= ${limit})
              from spanned s), 0))::integer),
          'points', coalesce((
            select jsonb_agg(jsonb_build_object('at', platform.iso(p.at), 'capturedAt', platform.iso(p.captured_at),
              'valueUsd', trim_scale(p.value)::text, 'lowUsd', trim_scale(p.low)::text, 'highUsd', trim_scale(p.high)::text,
              'pricedTokens', p.priced, 'unpricedTokens', p.unpriced, 'moves', coalesce(m.items, '[]')) order by p.n)
            from page p left join moves m on m.at = p.at where p.n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(platform.iso(at))`)} from page where n = ${limit} and total > ${limit})
        )::text as body, (select max(captured_at) from page) as as_of
      from wallet w left join portfolio.latest_values l on l.wallet_id = w.id`;
  },
});

function listOf(input: Input): string {
  return listId(operations.getPortfolioHistory, input);
}

/** The part of the range after the cursor. */
function rangeOf(input: Input) {
  const { interval, cursor } = input.query;
  const { ms, defaultDays, maxDays } = intervals[interval];
  const { since, until } = historyRange(input.query, { defaultDays, maxDays, of: `intervals of ${interval}` });
  const after = cursor === undefined ? undefined : decodeCursor(cursor, listOf(input), position)[0];
  return { since: after === undefined ? since : new Date(Date.parse(after) + ms), until };
}
