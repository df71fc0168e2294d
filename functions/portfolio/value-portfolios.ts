/**
 * What wallets held at an instant, and what that was worth: the SQL that the reads of portfolios share.
 *
 * A balance is the last one observed up to the instant, however old. A price is the last one recorded in the three days
 * before it; a token without one is unpriced. The latest balances and prices come from the tables that have them by key,
 * so that a read of now does not touch the history.
 */
import sql, { type Sql } from 'sql-template-tag';
import type { Archived, ArchivedRange } from '../../shared/archive/archived.ts';

const priceTable = 'portfolio.price_snapshots';
const dayMs = 86_400_000;
/** How old a price may be, in days. */
export const maxPriceAgeDays = 3;

export interface Valuation {
  /** A query with the ids of wallets, as `id`. */
  wallets: Sql;
  at: Date;
  /** Whether `at` was asked for. If not, it is now, the latest balances count, and the answer names no time. */
  isPast: boolean;
  /** How many holdings of each wallet are listed. */
  maxHoldings: number;
  archived: Archived;
}

/** The prices that may be needed from files to value some wallets at an instant. */
export function archivedPrices(wallets: Sql, at: Date): ArchivedRange {
  return {
    table: priceTable,
    series: sql`select b.token_id from portfolio.token_balances b where b.wallet_id in (${wallets}) group by 1`,
    since: oldestPrice(at),
    until: new Date(at.getTime() + 1),
    rowsPerSeries: 1,
    fromEnd: true,
  };
}

function oldestPrice(at: Date): Date {
  return new Date(at.getTime() - maxPriceAgeDays * dayMs);
}

/** Rows of `token_id`, `price_usd`, `recorded_at`, `source`: the prices of tokens (a query of `token_id`) at an instant. */
export function pricesAt(tokens: Sql, at: Date, archived: Archived): Sql {
  const { rows, until } = archived(priceTable);
  const since = oldestPrice(at);
  return sql`
    select t.token_id, p.price_usd, p.recorded_at, p.source
    from (${tokens}) as t join portfolio.latest_prices l on l.token_id = t.token_id
      cross join lateral (
        select * from (
          select l.price_usd, l.recorded_at, l.source where l.recorded_at between ${since}::timestamptz and ${at}::timestamptz
          union all
          select h.price_usd, h.recorded_at, h.source
          from portfolio.price_snapshots_last(t.token_id, ${at}::timestamptz, ${since}::timestamptz, ${until}::timestamptz) as h
          where l.recorded_at > ${at}::timestamptz
          union all
          select c.price_usd, c.recorded_at, c.source from ${rows} as c
          where c.token_id = t.token_id and c.recorded_at between ${since}::timestamptz and ${at}::timestamptz
        ) as every order by recorded_at desc limit 1
      ) as p`;
}

/** Rows of `wallet_id`, `token_id`, `balance`, `observed_at`, `since`: every balance known at an instant, zeros too. */
export function balancesAt(wallets: Sql, at: Date): Sql {
  return sql`
    select b.wallet_id, b.token_id, b.since, coalesce(past.balance, b.balance) as balance,
      coalesce(past.observed_at, b.as_of) as observed_at
    from (${wallets}) as w join portfolio.token_balances b on b.wallet_id = w.id
      left join lateral (
        select c.balance,
          (select max(seen.at) from unnest(c.as_of || c.confirmed_at) as seen (at) where seen.at <= ${at}::timestamptz) as observed_at
        from portfolio.balance_changes c
        where b.as_of > ${at}::timestamptz and c.wallet_id = b.wallet_id and c.token_id = b.token_id and c.as_of <= ${at}::timestamptz
        order by c.as_of desc limit 1
      ) as past on true
    where b.since <= ${at}::timestamptz`;
}

/** The same rows of the latest balances. */
function latestBalances(wallets: Sql): Sql {
  return sql`
    select b.wallet_id, b.token_id, b.since, b.balance, b.as_of as observed_at
    from (${wallets}) as w join portfolio.token_balances b on b.wallet_id = w.id`;
}

/** Rows of `id` (the wallet's), `body`, `as_of`: the portfolios of wallets at an instant. */
export function portfoliosAt({ wallets, at, isPast, maxHoldings, archived }: Valuation): Sql {
  return sql`
    with balances as materialized (${isPast ? balancesAt(wallets, at) : latestBalances(wallets)}),
      prices as materialized (${pricesAt(sql`select distinct token_id from balances where balance > 0`, at, archived)}),
      valued as (
        select b.wallet_id, b.observed_at, b.balance, t.key, t.symbol, t.name, p.price_usd, p.recorded_at, p.source,
          b.balance * p.price_usd as value,
          case when t.disputed_since <= ${at}::timestamptz then t.disputed_since end as disputed_since,
          row_number() over (partition by b.wallet_id order by b.balance * p.price_usd desc nulls last, t.key) as n
        from balances b join portfolio.tokens t on t.id = b.token_id left join prices p on p.token_id = b.token_id
        where b.balance > 0
      ), summed as (
        select wallet_id, sum(value) as value, count(price_usd) as priced, count(*) filter (where price_usd is null) as unpriced,
          count(*) filter (where price_usd is not null and disputed_since is not null) as disputed, min(recorded_at) as oldest_price_at,
          jsonb_agg(jsonb_build_object(
            'token', key, 'symbol', symbol, 'name', name, 'balance', trim_scale(balance)::text,
            'observedAt', platform.iso(observed_at), 'unpriced', price_usd is null, 'priceUsd', trim_scale(price_usd)::text,
            'pricedAt', platform.iso(recorded_at), 'source', source, 'disputedSince', platform.iso(disputed_since),
            'valueUsd', trim_scale(value)::text) order by n) filter (where n <= ${maxHoldings}) as holdings
        from valued group by wallet_id
      ), known as (
        select wallet_id, min(since) as since, min(observed_at) as oldest_balance_at from balances group by wallet_id
      )
    select w.id, least(k.oldest_balance_at, s.oldest_price_at) as as_of, jsonb_build_object(
        'wallet', portfolio.wallet_name(w.address), 'label', w.label, 'isTracked', w.is_tracked, 'at', ${isPast ? at.toISOString() : null}::text,
        -- nothing held is worth nothing; nothing known is worth null
        'valueUsd', trim_scale(case when k.wallet_id is not null and s.wallet_id is null then 0 else s.value end)::text,
        'pricedTokens', coalesce(s.priced, 0), 'unpricedTokens', coalesce(s.unpriced, 0),
        'disputedTokens', coalesce(s.disputed, 0),
        'coverage', jsonb_build_object('since', platform.iso(k.since), 'oldestBalanceAt', platform.iso(k.oldest_balance_at),
          'oldestPriceAt', platform.iso(s.oldest_price_at)),
        'holdings', coalesce(s.holdings, '[]')) as body
    from portfolio.wallets w left join known k on k.wallet_id = w.id left join summed s on s.wallet_id = w.id
    where w.id in (${wallets})`;
}
