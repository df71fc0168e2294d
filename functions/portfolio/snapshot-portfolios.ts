import sql, { raw, type Sql } from 'sql-template-tag';
import { withoutFiles } from '../../shared/archive/archived.ts';
import { commit } from '../../shared/changes/commit.ts';
import { closedUntil, lateTableOf } from '../../shared/db/tiers.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { archivedPrices, balancesAt, pricesAt } from './value-portfolios.ts';

const table = 'portfolio.portfolio_snapshots';
const intervalMs = 5 * 60_000;
/** The share of a wallet's value by which an asset must move it to be named. */
const minMove = 0.2;

/**
 * Records what the tracked wallets were worth at the last full five minutes, and the assets that moved a wallet's value by
 * more than 20 % since its last snapshot. A snapshot that exists stays, so that a message delivered twice changes nothing.
 *
 * The balances and prices are those of that time, however late it is taken, as where portfolios are read with `at`. A wallet
 * of which no balance is known has no snapshot.
 */
export const snapshotPortfolios = handleJob(jobs.snapshotPortfolios, async (run) => {
  const capturedAt = new Date(Math.floor(Date.now() / intervalMs) * intervalMs);
  const result = await commit(async (tx) => {
    const isLate = capturedAt < (await closedUntil(tx, table));
    const { rows } = await tx.query<{ wallets: number; moves: number }>(
      snapshotStatement(capturedAt, isLate ? lateTableOf(table) : table),
    );
    const { wallets, moves } = rows[0]!;
    await addProgress(tx, run, { read: wallets, applied: wallets, unchanged: 0, rejected: 0 });
    return { wallets, moves };
  });
  return { result: { capturedAt: capturedAt.toISOString(), ...result } };
});

/** Every part of it sees what was before the statement. */
function snapshotStatement(capturedAt: Date, target: string): Sql {
  const wallets = sql`select id from portfolio.wallets where is_tracked`;
  // nothing of the last three days is in files
  const archived = withoutFiles([archivedPrices(wallets, capturedAt)]);
  return sql`
    with balances as materialized (${balancesAt(wallets, capturedAt)}),
    prices as materialized (
      ${pricesAt(sql`select distinct token_id from balances where balance > 0`, capturedAt, archived)}
    ), held as materialized (
      select b.wallet_id, b.token_id, b.balance * p.price_usd as value_usd, p.source
      from balances b left join prices p on p.token_id = b.token_id where b.balance > 0
    ), captured as (
      insert into ${raw(target)} (wallet_id, captured_at, value_usd, priced_tokens, unpriced_tokens)
      select w.id, ${capturedAt}::timestamptz, coalesce(sum(h.value_usd), 0), count(h.value_usd),
        count(h.token_id) - count(h.value_usd)
      from portfolio.wallets w left join held h on h.wallet_id = w.id
      where w.is_tracked and w.id in (select wallet_id from balances)
      group by w.id order by w.id
      on conflict (wallet_id, captured_at) do nothing
      returning wallet_id
    ), before as (
      select v.wallet_id, u.token_id, u.value_usd, u.source
      from captured c join portfolio.last_valuations v on v.wallet_id = c.wallet_id
        cross join lateral unnest(v.token_ids, v.values_usd, v.sources) as u (token_id, value_usd, source)
    ), totals as (
      select wallet_id, sum(value_usd) as value_usd from before group by wallet_id having sum(value_usd) > 0
    ), moves as (
      insert into portfolio.value_moves (wallet_id, captured_at, token_id, before_usd, after_usd, sources)
      select t.wallet_id, ${capturedAt}::timestamptz, m.token_id, m.before_usd, m.after_usd,
        array(select distinct s from unnest(m.sources) as s where s is not null order by s)
      from totals t join (
        -- what was not held was worth nothing; what had no price, nobody knows
        select wallet_id, token_id, array[b.source, h.source] as sources,
          case when b.token_id is null then 0 else b.value_usd end as before_usd,
          case when h.token_id is null then 0 else h.value_usd end as after_usd
        from before b full join (select * from held where wallet_id in (select wallet_id from totals)) h
          using (wallet_id, token_id)
      ) as m on m.wallet_id = t.wallet_id
      where abs(coalesce(m.after_usd, 0) - coalesce(m.before_usd, 0)) > ${minMove} * t.value_usd
      order by 1, 3
      on conflict do nothing
      returning wallet_id
    ), remembered as (
      insert into portfolio.last_valuations (wallet_id, captured_at, token_ids, values_usd, sources)
      select c.wallet_id, ${capturedAt}::timestamptz,
        coalesce(array_agg(h.token_id order by h.token_id) filter (where h.token_id is not null), '{}'),
        coalesce(array_agg(h.value_usd order by h.token_id) filter (where h.token_id is not null), '{}'),
        coalesce(array_agg(h.source order by h.token_id) filter (where h.token_id is not null), '{}')
      from captured c left join held h on h.wallet_id = c.wallet_id
      group by c.wallet_id order by c.wallet_id
      on conflict (wallet_id) do update set captured_at = excluded.captured_at, token_ids = excluded.token_ids,
        values_usd = excluded.values_usd, sources = excluded.sources
    )
    select (select count(*)::integer from captured) as wallets, (select count(*)::integer from moves) as moves`;
}
