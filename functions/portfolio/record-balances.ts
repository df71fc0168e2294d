import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { recordTokens, type TokenReference, tokenKeyOf } from './record-tokens.ts';
import { recordWallets } from './record-wallets.ts';

/** What a wallet held of a token when somebody looked. Zero is a balance. */
export interface Balance {
  /** `0x…`, lower case. */
  wallet: string;
  token: TokenReference;
  /** A decimal string. */
  balance: string;
  asOf: Date;
  block: bigint | null;
}

const stagedBalances = new TemporaryTable('staged_balances', {
  wallet_id: 'integer',
  token_id: 'integer',
  as_of: 'timestamptz',
  balance: 'numeric',
  block: 'bigint',
});

/**
 * Records observations of balances in any order, and creates missing wallets and tokens. A row of `balance_changes` is
 * added only where a balance differs from the one before it; an observation that differs from the stored one of its time
 * corrects it. Wallets that are not mentioned keep what they have.
 *
 * What is stored depends only on the set of observations, and not on their order, except within one day: of several
 * observations of an unchanged balance on one UTC day only the first is remembered.
 */
export async function recordBalances(tx: Transaction, balances: readonly Balance[]): Promise<Changed> {
  const tokens = await recordTokens(
    tx,
    balances.map(({ token }) => token),
  );
  const wallets = await recordWallets(
    tx,
    balances.map(({ wallet }) => wallet),
  );
  await stagedBalances.fill(tx, balances, (one) => ({
    wallet_id: wallets.get(one.wallet)!,
    token_id: tokens.get(tokenKeyOf(one.token))!,
    as_of: BigInt(one.asOf.getTime()) * 1_000n,
    balance: one.balance,
    block: one.block,
  }));
  const applied = await removeUnchangedPairs(tx);
  if (applied > 0) {
    await recordLatest(tx);
    await recordChanges(tx);
  }
  return { applied, unchanged: balances.length - applied };
}

/**
 * Removes repeated rows, and all rows of those pairs of a wallet and a token to which nothing is new. Returns how many of the
 * rest are new.
 */
async function removeUnchangedPairs(tx: Transaction): Promise<number> {
  const { rows } = await tx.query<{ applied: number }>(sql`
    with observed as (
      select s.wallet_id, s.token_id, s.as_of, s.position,
        row_number() over (partition by s.wallet_id, s.token_id, s.as_of order by s.position desc) > 1 as is_repeated,
        coalesce(before.balance = s.balance, false) and s.as_of <= latest.as_of and exists (
          select from unnest(before.seen_at) as seen (at)
          where seen.at <= s.as_of and date_trunc('day', seen.at, 'UTC') = date_trunc('day', s.as_of, 'UTC')) as is_known
      from ${stagedBalances} s
        left join portfolio.token_balances latest on latest.wallet_id = s.wallet_id and latest.token_id = s.token_id
        left join lateral (
          select c.balance, c.as_of || c.confirmed_at as seen_at from portfolio.balance_changes c
          where c.wallet_id = s.wallet_id and c.token_id = s.token_id and c.as_of <= s.as_of
          order by c.as_of desc limit 1
        ) as before on true
    ), marked as (
      select *, bool_and(is_repeated or is_known) over (partition by wallet_id, token_id) as is_unchanged from observed
    ), removed as (
      delete from ${stagedBalances} s using marked m
      where m.position = s.position and (m.is_repeated or m.is_unchanged) returning m.position
    )
    select count(*)::integer as applied from marked where not is_repeated and not is_known`);
  return rows[0]!.applied;
}

/**
 * The latest balances. The rows are written in the order of the key, and locked until the transaction ends, so that
 * nobody else changes the history of these pairs meanwhile.
 */
async function recordLatest(tx: Transaction): Promise<void> {
  await tx.query(sql`
    insert into portfolio.token_balances as t (wallet_id, token_id, balance, as_of, block, since)
    select distinct on (wallet_id, token_id) wallet_id, token_id, balance, as_of, block,
      min(as_of) over (partition by wallet_id, token_id)
    from ${stagedBalances} order by wallet_id, token_id, as_of desc
    on conflict (wallet_id, token_id) do update set
      since = least(t.since, excluded.since), as_of = greatest(t.as_of, excluded.as_of),
      balance = case when excluded.as_of >= t.as_of then excluded.balance else t.balance end,
      block = case when excluded.as_of >= t.as_of then excluded.block else t.block end
      where excluded.as_of >= t.as_of or excluded.since < t.since`);
}

/**
 * The changes, computed anew from all observations between the last change before the staged rows of a pair and the first
 * one after them.
 */
async function recordChanges(tx: Transaction): Promise<void> {
  await tx.query(sql`
    with pairs as (
      select s.*,
        (select max(c.as_of) from portfolio.balance_changes c
         where c.wallet_id = s.wallet_id and c.token_id = s.token_id and c.as_of < s.first) as before,
        (select min(c.as_of) from portfolio.balance_changes c
         where c.wallet_id = s.wallet_id and c.token_id = s.token_id and c.as_of > s.last) as after
      from (select wallet_id, token_id, min(as_of) as first, max(as_of) as last from ${stagedBalances} group by 1, 2) as s
    ), stored as (
      select c.* from pairs p join portfolio.balance_changes c on c.wallet_id = p.wallet_id and c.token_id = p.token_id
        and c.as_of >= coalesce(p.before, '-infinity') and c.as_of <= coalesce(p.after, 'infinity')
    ), observed as (
      select distinct on (wallet_id, token_id, at) wallet_id, token_id, at, balance, block
      from (
        select wallet_id, token_id, as_of as at, balance, block, true as is_new from ${stagedBalances}
        union all
        select wallet_id, token_id, as_of, balance, block, false from stored
        union all
        select wallet_id, token_id, unnest(confirmed_at), balance, null, false from stored
        union all
        select t.wallet_id, t.token_id, t.as_of, t.balance, t.block, false
        from pairs p join portfolio.token_balances t on t.wallet_id = p.wallet_id and t.token_id = p.token_id
        where p.after is null
      ) as every
      order by wallet_id, token_id, at, is_new desc
    ), compared as (
      select *, balance is distinct from lag(balance) over (partition by wallet_id, token_id order by at) as is_change
      from observed
    ), grouped as (
      select *, count(*) filter (where is_change) over (partition by wallet_id, token_id order by at) as run from compared
    ), remembered as (
      select distinct on (wallet_id, token_id, run, date_trunc('day', at, 'UTC')) * from grouped
      order by wallet_id, token_id, run, date_trunc('day', at, 'UTC'), at
    ), computed as (
      select wallet_id, token_id, min(at) as as_of, (array_agg(balance order by at))[1] as balance,
        (array_agg(block order by at))[1] as block, array_agg(at order by at) filter (where not is_change) as confirmed_at
      from remembered group by wallet_id, token_id, run
    ), removed as (
      delete from portfolio.balance_changes c using stored s
      where c.wallet_id = s.wallet_id and c.token_id = s.token_id and c.as_of = s.as_of and not exists (
        select from computed n where n.wallet_id = s.wallet_id and n.token_id = s.token_id and n.as_of = s.as_of)
    )
    insert into portfolio.balance_changes (wallet_id, token_id, as_of, balance, block, confirmed_at)
    select n.wallet_id, n.token_id, n.as_of, n.balance, n.block, n.confirmed_at
    from computed n left join stored s using (wallet_id, token_id, as_of)
    where (n.balance, n.block, n.confirmed_at) is distinct from (s.balance, s.block, s.confirmed_at)
    order by 1, 2, 3
    on conflict (wallet_id, token_id, as_of) do update set
      balance = excluded.balance, block = excluded.block, confirmed_at = excluded.confirmed_at`);
}
