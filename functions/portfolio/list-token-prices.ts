import sql, { type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { InvalidInput } from '../../shared/kernel/errors.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';

type Input = OperationInput<typeof operations.listTokenPrices>;

const table = 'portfolio.price_snapshots';
const position = z.tuple([z.iso.datetime()]);
const dayMs = 86_400_000;
const defaultDays = 30;
const intervalMs = { '1h': 3_600_000, '1d': dayMs };
const maxCandles = 5_000;

/**
 * Prices of one token over [from, to), oldest first, or candles of an hour or a day. Prices are decimal strings in USD,
 * times UTC.
 *
 * Months in the archive come from files, the rest from a replica. At most 5,000 per page, and 5,000 candles in a range. A
 * new price shows at once.
 *
 * @throws NotFound      there is no such token
 * @throws InvalidInput  the range is inverted, in the future, or too long for the interval, or the cursor belongs to
 *   another list
 * @throws Unavailable   a file could not be read (retryable)
 */
export const listTokenPrices = read(operations.listTokenPrices, {
  archived: (input) => [rangeOf(input)],
  statement: (input, archived) => {
    const { interval, limit } = input.query;
    const list = listOf(input);
    const { since, until } = rangeOf(input);
    const isInRange = sql`recorded_at >= ${since}::timestamptz and recorded_at < ${until}::timestamptz`;
    return sql`
      with token as (select id, key from portfolio.tokens where key = ${input.path.id}),
      found as (select * from ${archived(table).all} as r where ${isInRange}),
      points as (${interval === 'raw' ? rawPoints : candles(intervalMs[interval])}),
      page as (select *, row_number() over (order by at) as n from points order by at limit ${limit + 1})
      select jsonb_build_object(
          'id', t.key, 'interval', ${interval}::text,
          'coverage', jsonb_build_object('since', platform.iso(l.first_recorded_at), 'until', platform.iso(l.recorded_at)),
          'prices', coalesce((
            select jsonb_agg(jsonb_build_object('at', platform.iso(at), 'openUsd', trim_scale(open_usd)::text,
              'highUsd', trim_scale(high_usd)::text, 'lowUsd', trim_scale(low_usd)::text,
              'priceUsd', trim_scale(price_usd)::text, 'volumeUsd', trim_scale(volume_usd)::text, 'count', count) order by n)
            from page where n <= ${limit}), '[]'),
          'nextCursor', (select ${cursorSql(list, sql`to_jsonb(platform.iso(at))`)} from page
                         where n = ${limit} and (select count(*) from page) > ${limit})
        )::text as body, (select max(at) from page) as as_of
      from token t left join portfolio.latest_prices l on l.token_id = t.id`;
  },
});

const rawPoints = sql`
  select recorded_at as at, open_usd, high_usd, low_usd, price_usd, volume_usd, 1 as count from found`;

function candles(ms: number): Sql {
  return sql`
    select date_bin(${`${ms} milliseconds`}::interval, recorded_at, 'epoch'::timestamptz) as at,
      (array_agg(coalesce(open_usd, price_usd) order by recorded_at))[1] as open_usd,
      max(coalesce(high_usd, price_usd)) as high_usd, min(coalesce(low_usd, price_usd)) as low_usd,
      (array_agg(price_usd order by recorded_at desc))[1] as price_usd, sum(volume_usd) as volume_usd, count(*) as count
    from found group by 1`;
}

function listOf(input: Input): string {
  return listId(operations.listTokenPrices, input);
}

/** The part of the range after the cursor. */
function rangeOf(input: Input) {
  const { interval, limit, cursor } = input.query;
  const until = input.query.to === undefined ? new Date() : new Date(input.query.to);
  const since =
    input.query.from === undefined ? new Date(until.getTime() - defaultDays * dayMs) : new Date(input.query.from);
  checkRange(since, until, interval);
  // times are whole milliseconds
  const step = interval === 'raw' ? 1 : intervalMs[interval];
  const after = cursor === undefined ? undefined : decodeCursor(cursor, listOf(input), position)[0];
  return {
    table,
    series: sql`select id from portfolio.tokens where key = ${input.path.id}`,
    since: after === undefined ? since : new Date(Date.parse(after) + step),
    until,
    ...(interval === 'raw' ? { rowsPerSeries: limit + 1 } : {}),
  };
}

function checkRange(since: Date, until: Date, interval: Input['query']['interval']): void {
  if (since >= until || since > new Date())
    throw refused('from', 'must be before `to`, and in the past', 'The range is inverted or in the future.');
  if (interval === 'raw') return;
  const candles = Math.ceil((until.getTime() - since.getTime()) / intervalMs[interval]);
  if (candles > maxCandles)
    throw refused(
      'interval',
      `must be longer for this range: ${candles} candles exceed the limit of ${maxCandles}`,
      `The range has ${candles} candles of ${interval}. The limit is ${maxCandles}.`,
    );
}

function refused(parameter: string, message: string, summary: string): InvalidInput {
  return new InvalidInput(summary, [{ field: `query.${parameter}`, message }]);
}
