/**
 * Alerts are evaluated as a whole, in one statement, over what was observed since the last evaluation.
 *
 * Each observation of an alert either reaches its threshold (`reached`), or has gone back over it by the alert's margin
 * (`back`), or is in between and changes nothing. An alert fires at an observation that reaches the threshold if the one
 * that counted before it was `back`: then the alert was armed. That holds however the observations are spread over
 * evaluations, so the number of evaluations, and when they ran, does not show in what fired.
 *
 * Evaluations take turns. One writes its firings together with the state that keeps the next one from firing them again.
 */
import sql, { join, type Sql } from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { maxPriceAgeDays } from './value-portfolios.ts';

/** Finds all crossings since the last evaluation, and stores each as a firing. Its result has the number of them. */
export const evaluateAlerts = handleJob(jobs.evaluateAlerts, async () => {
  const fired = await commit(async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('portfolio.evaluateAlerts', 0))`);
    // compiling the statement takes longer than running it
    await tx.query('set local jit = off');
    const { rows } = await tx.query<{ fired: number }>(evaluation);
    return rows[0]!.fired;
  });
  return { result: { fired } };
});

/**
 * The time from which an alert's values are observed: after the last one that was, else from the one that was the latest
 * when the alert began.
 */
function since(lastBefore: Sql): Sql {
  return sql`lateral (select coalesce(s.evaluated_to + interval '1 millisecond', (${lastBefore}), a.active_since) as since) as at`;
}

const prices = sql`
  select a.id, 0 as subject, p.recorded_at as at, p.price_usd as value,
    null::numeric as peak_usd, null::timestamptz as peak_at, null::jsonb as lock
  from active a left join portfolio.alert_states s on s.alert_id = a.id
    join portfolio.latest_prices l on l.token_id = a.token_id and (s.evaluated_to is null or l.recorded_at > s.evaluated_to),
    ${since(sql`select recorded_at from portfolio.price_snapshots_last(a.token_id, a.active_since,
      a.active_since - make_interval(days => ${maxPriceAgeDays}), '-infinity')`)},
    lateral portfolio.price_snapshots_rows(array[a.token_id], at.since, statement_timestamp(), '-infinity') p
  where a.kind = 'price'`;

// a value of a wallet without a single price is unknown, and not zero
const values = sql`
  select a.id, 0, v.captured_at, v.value_usd, null, null, null
  from active a left join portfolio.alert_states s on s.alert_id = a.id,
    ${since(sql`select captured_at from portfolio.portfolio_snapshots_last(a.wallet_id, a.active_since, '-infinity', '-infinity')`)},
    lateral portfolio.portfolio_snapshots_rows(array[a.wallet_id], at.since, statement_timestamp(), '-infinity') v
  where a.kind = 'value' and (v.priced_tokens > 0 or v.unpriced_tokens = 0)`;

// While the peak of the last evaluation is in the window, only later values can exceed it. A value that was recorded late, or
// corrected, counts when the window is read again.
const drawdowns = sql`
  select a.id, 0, v.captured_at, 100 * (1 - v.value_usd / p.value_usd), p.value_usd, p.captured_at, null
  from active a left join portfolio.alert_states s on s.alert_id = a.id,
    ${since(sql`select captured_at from portfolio.portfolio_snapshots_last(a.wallet_id, a.active_since, '-infinity', '-infinity')`)},
    lateral portfolio.portfolio_snapshots_rows(array[a.wallet_id], at.since, statement_timestamp(), '-infinity') v,
    lateral (
      select opens_at, coalesce(s.evaluated_to is not null and s.peak_at >= opens_at, false) as knows_peak
      from (select v.captured_at - make_interval(days => a.window_days) as opens_at) as w
    ) as w,
    lateral (
      (select value_usd, captured_at
       from portfolio.portfolio_snapshots_rows(array[a.wallet_id], case when w.knows_peak then at.since else w.opens_at end,
         v.captured_at + interval '1 millisecond', '-infinity')
       where priced_tokens > 0 or unpriced_tokens = 0
       order by value_usd desc, captured_at desc limit 1)
      union all
      select s.peak_usd, s.peak_at where w.knows_peak
      order by value_usd desc, captured_at desc limit 1
    ) p
  where a.kind = 'drawdown' and (v.priced_tokens > 0 or v.unpriced_tokens = 0) and p.value_usd > 0`;

// a lock that had unlocked before the alert began is not about to
const lockExpiries = sql`
  select a.id, p.id, date_trunc('milliseconds', statement_timestamp()),
    extract(epoch from l.unlock_at - statement_timestamp()) / 86400, null, null,
    jsonb_build_object('protocol', p.protocol, 'chain', p.chain, 'id', p.external_id, 'unlockAt', platform.iso(l.unlock_at))
  from active a join portfolio.positions p on p.wallet_id = a.wallet_id
    join portfolio.governance_locks l on l.position_id = p.id
  where a.kind = 'lock_expiry' and l.amount > 0 and l.unlock_at > a.active_since`;

const evaluation = sql`
  with active as materialized (
    select * from portfolio.alerts where paused_at is null and key_id in (select platform.active_keys())
  ), observed as (
    ${join([prices, values, drawdowns, lockExpiries], ' union all ')}
  ), judged as (
    select o.*, case
        when o.value * a.sign >= a.threshold * a.sign then 'reached'
        when o.value * a.sign < a.rearm_at * a.sign then 'back'
      end as outcome
    from observed o join (select *, case direction when 'above' then 1 else -1 end as sign from active) a using (id)
  ), counting as (
    select j.*, coalesce(
        lag(j.outcome) over (partition by j.id, j.subject order by j.at),
        case when s.is_armed then 'back' when not s.is_armed then 'reached' else 'back' end) as previous
    from judged j left join portfolio.alert_states s on s.alert_id = j.id and s.subject = j.subject
    where j.outcome is not null
  ), ended as (
    insert into portfolio.alert_states as s (alert_id, subject, is_armed, evaluated_to, peak_usd, peak_at)
    select id, subject, coalesce((array_agg(outcome order by at desc) filter (where outcome is not null))[1] = 'back',
        (select is_armed from portfolio.alert_states before where before.alert_id = j.id and before.subject = j.subject), true),
      case when bool_or(lock is not null) then null else max(at) end,
      (array_agg(peak_usd order by at desc))[1], (array_agg(peak_at order by at desc))[1]
    from judged j group by id, subject
    on conflict (alert_id, subject) do update
      set is_armed = excluded.is_armed, evaluated_to = excluded.evaluated_to, peak_usd = excluded.peak_usd, peak_at = excluded.peak_at
      where (s.is_armed, s.evaluated_to) is distinct from (excluded.is_armed, excluded.evaluated_to)
  ), fired as (
    insert into portfolio.alert_firings (alert_id, subject, observed_at, value, data)
    select c.id, c.subject, c.at, c.value, jsonb_strip_nulls(jsonb_build_object('lock', c.lock))
    from counting c where c.outcome = 'reached' and c.previous = 'back' order by c.id, c.at, c.subject
    returning alert_id
  )
  select count(*)::integer as fired,
    platform.announce('firings_queued', array_agg(distinct 'alerts:' || alert_id)) as announced
  from fired`;
