/**
 * The SQL of risk figures. All are of whole days in UTC, from the tiers in Postgres: no timeframe reaches into the archive.
 * The price or value of a day is the last one in it, and a return is that of two days in a row.
 */
import sql, { type Sql } from 'sql-template-tag';

export interface Timeframe {
  name: '30d' | '90d';
  days: number;
  /** A figure of fewer returns says nothing, and is left out. */
  minReturns: number;
}

export const timeframes: readonly Timeframe[] = [
  { name: '30d', days: 30, minReturns: 20 },
  { name: '90d', days: 90, minReturns: 60 },
];

const maxDays = Math.max(...timeframes.map(({ days }) => days));
/** How many assets are compared with each other: those of which the tracked wallets hold most, then those with most prices. */
export const maxAssets = 200;

/** The start of today and that of the first day with a return. Bounds of the timeframe. */
function bounds(until: Date, days: number): { since: Sql; until: Sql } {
  return {
    since: sql`(${until}::timestamptz - make_interval(days => ${days}))`,
    until: sql`${until}::timestamptz`,
  };
}

/** An amount as a double. Beyond these bounds, Postgres could not divide one by another, and nothing is worth that. */
const double = (amount: Sql) => sql`case when ${amount} >= 1e-150 then least(${amount}, 1e150)::float8 else 0 end`;

/** Rows of `series`, `day`, `log_return`, of the last price or value of each day in `rows` (series, at, amount). */
function dailyReturns(rows: Sql): Sql {
  return sql`
    select series, day, log_amount - before as log_return
    from (
      select series, day, log_amount, lag(log_amount) over w as before, lag(day) over w as day_before
      from (
        select distinct on (series, day) series, day, case when amount > 0 then ln(amount) end as log_amount
        from (select series, at, amount, date_trunc('day', at, 'UTC') as day from (${rows}) as r) as d
        order by series, day, at desc
      ) as closes
      window w as (partition by series order by day)
    ) as changes
    where day_before = day - interval '1 day' and log_amount is not null and before is not null`;
}

/**
 * Rows of `timeframe`, `token_id`, `other_token_id`, `correlation`, `days`, up to the start of a day. Pairs with too few common
 * returns are left out, and so are assets that did not move.
 */
export function correlationsUntil(until: Date): Sql {
  const longest = bounds(until, maxDays + 1);
  const ofTimeframe = ({ name, days, minReturns }: Timeframe) => sql`
    select ${name}::text as timeframe, a.series as token_id, b.series as other_token_id,
      corr(a.log_return, b.log_return) as correlation, count(*)::integer as days
    from returns a join returns b on b.day = a.day and b.series > a.series
    where a.day >= ${bounds(until, days).since}
    group by a.series, b.series
    having count(*) >= ${minReturns} and corr(a.log_return, b.log_return) is not null`;
  return sql`
    with assets as (
      select p.token_id
      from (select token_id from portfolio.latest_prices where recorded_at >= ${longest.since}) as p
        left join (
          select b.token_id, sum(b.balance * l.price_usd) as held_usd
          from portfolio.wallets w join portfolio.token_balances b on b.wallet_id = w.id
            join portfolio.latest_prices l on l.token_id = b.token_id
          where w.is_tracked group by 1
        ) as held on held.token_id = p.token_id
      order by held.held_usd desc nulls last, p.token_id limit ${maxAssets}
    ), returns as materialized (${dailyReturns(sql`
      select p.token_id as series, p.recorded_at as at, ${double(sql`p.price_usd`)} as amount
      from portfolio.price_snapshots_rows(array(select token_id from assets), ${longest.since}, ${longest.until}, '-infinity') as p`)}
    )
    ${timeframes.map(ofTimeframe).reduce((all, one) => sql`${all} union all ${one}`)}`;
}

/**
 * Rows of `wallet_id`, `timeframe`, `volatility`, `max_drawdown`, `days` of wallets, up to the start of a day. Both figures are
 * null where there are too few days. The drawdown is that of all snapshots, not only of the last one of each day.
 */
export function walletRisksUntil(wallets: readonly number[], until: Date): Sql {
  const longest = bounds(until, maxDays + 1);
  const ofTimeframe = ({ name, days, minReturns }: Timeframe) => sql`
    select w.id as wallet_id, ${name}::text as timeframe,
      case when r.returns >= ${minReturns} then r.volatility end as volatility,
      case when s.days >= ${minReturns} then s.max_drawdown end as max_drawdown, coalesce(s.days, 0) as days
    from unnest(${wallets}::integer[]) as w (id)
      left join (
        select series, count(*) as returns, stddev_samp(log_return) * sqrt(365) as volatility
        from returns where day >= ${bounds(until, days).since} group by series
      ) as r on r.series = w.id
      left join (
        select series, count(distinct date_trunc('day', at, 'UTC'))::integer as days, max(1 - amount / peak) as max_drawdown
        from (
          select series, at, amount, nullif(max(amount) over (partition by series order by at), 0) as peak
          from snapshots where at >= ${bounds(until, days).since}
        ) as peaks
        group by series
      ) as s on s.series = w.id`;
  return sql`
    with snapshots as materialized (
      select wallet_id as series, captured_at as at, ${double(sql`value_usd`)} as amount
      from portfolio.portfolio_snapshots_rows(${wallets}::integer[], ${longest.since}, ${longest.until}, '-infinity')
      -- of which no token had a price, the value is unknown, and not zero
      where priced_tokens > 0 or unpriced_tokens = 0
    ), returns as materialized (${dailyReturns(sql`select * from snapshots`)})
    ${timeframes.map(ofTimeframe).reduce((all, one) => sql`${all} union all ${one}`)}`;
}
