/**
 * Takes changes from the dirty sets, as many as a round may apply.
 *
 * A round counts what it took, and nothing else, as changed (`counted-moments.ts`). So it may take any of the changed
 * moments, provided that it recounts the wallets on both sides of each one. It takes the oldest, and those that the same
 * wallets hold: a wallet is recounted once for all its changes, unless one side of a change does not fit into the round.
 */
import sql, { raw, type Sql } from 'sql-template-tag';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { lookUp } from './counted-moments.ts';
import {
  editionHolders,
  formerEditions,
  movedMoments,
  recountedWallets,
  takenEditions,
  takenSales,
} from './round-tables.ts';

/**
 * Starts a round: waits for the end of any other one. It has to be the first statement of the transaction, because the
 * snapshot of REPEATABLE READ is taken by the next. The table stands for all of them; its readers and writers go on.
 */
export async function lockReadModels(tx: Transaction): Promise<void> {
  await tx.query('lock table wallets.dirty_editions in share update exclusive mode');
  // there are few changes compared with the tables, so index lookups beat scans; each key is looked up once
  await tx.query('set local random_page_cost = 1; set local jit = off; set local enable_memoize = off');
}

/**
 * Moves changes of holdings and moments to `outdated_moments`, at most `limit` of each. Of several changes of a moment, the
 * first says how the read models count it. False if the transaction sees others: then nothing can be counted yet.
 */
export async function collectChanges(tx: Transaction, limit: number): Promise<boolean> {
  await tx.query(sql`
    with taken as (${deleteSome('wallets.changed_holdings', limit)})
    insert into wallets.outdated_moments as o (nft_id, holding_change, wallet_address, is_locked, changed_at)
    select distinct on (nft_id) nft_id, id, wallet_address, is_locked, changed_at from taken order by nft_id, id
    on conflict (nft_id) do update set holding_change = excluded.holding_change, wallet_address = excluded.wallet_address,
      is_locked = excluded.is_locked, changed_at = least(o.changed_at, excluded.changed_at)
    where o.holding_change is null or excluded.holding_change < o.holding_change`);
  await tx.query(sql`
    with taken as (${deleteSome('wallets.changed_moments', limit)})
    insert into wallets.outdated_moments as o (nft_id, edition_change, edition_id, changed_at)
    select distinct on (nft_id) nft_id, id, edition_id, changed_at from taken order by nft_id, id
    on conflict (nft_id) do update set edition_change = excluded.edition_change, edition_id = excluded.edition_id,
      changed_at = least(o.changed_at, excluded.changed_at)
    where o.edition_change is null or excluded.edition_change < o.edition_change`);
  const { rows } = await tx.query<{ isComplete: boolean }>(sql`
    select not exists (select 1 from wallets.changed_holdings) and not exists (select 1 from wallets.changed_moments)
      as "isComplete"`);
  return rows[0]!.isComplete;
}

/** Moves at most `limit` sales to a temporary table. False if there are others. */
export async function takeSales(tx: Transaction, limit: number): Promise<boolean> {
  await tx.query(sql`
    ${takenSales.creation};
    with taken as (${deleteSome('wallets.new_sales', limit)})
    insert into ${takenSales} select nft_id, price_usd, purchased_at from taken`);
  const { rows } = await tx.query<{ isLast: boolean }>(
    sql`select not exists (select 1 from wallets.new_sales) as "isLast"`,
  );
  return rows[0]!.isLast;
}

const newlyDirty = new TemporaryTable('newly_dirty_wallets');

/**
 * Takes the editions whose price or names changed, until they have `limit` moments together, and marks the wallets that
 * hold them as dirty.
 */
export async function takeEditions(tx: Transaction, limit: number): Promise<void> {
  await takenEditions.createAs(
    tx,
    firstThatFit(
      sql`select edition_id as key, edition_id as place from wallets.dirty_editions group by edition_id`,
      sql`select 1 from wallets.nft_core_metadata m where m.edition_id = candidate.key`,
      limit,
      Math.ceil(limit / 2),
      'edition_id',
    ),
  );
  await editionHolders.createAs(
    tx,
    sql`select distinct h.wallet_address
        from ${takenEditions} t
          cross join lateral (${lookUp('nft_core_metadata', sql`edition_id = t.edition_id`)}) as m
          cross join lateral (${lookUp('wallet_holdings', sql`nft_id = m.nft_id`)}) as h
        where h.wallet_address is not null`,
  );
  // not in the statement that inserts: looking up rows while it adds to them can take quadratic time
  await newlyDirty.createAs(
    tx,
    sql`select wallet_address from ${editionHolders} e
        where not exists (${lookUp('dirty_wallets', sql`wallet_address = e.wallet_address`)})`,
  );
  await tx.query(sql`
    delete from wallets.dirty_editions d using ${takenEditions} t where d.edition_id = t.edition_id;
    insert into wallets.dirty_wallets select wallet_address from ${newlyDirty}`);
}

/**
 * Chooses the wallets to recount, until they hold `limit` moments together: those on both sides of the oldest changes, then
 * those with nothing but their name or prices changed. The latter wait for the last edition whose price changed, since each
 * edition would make them dirty again.
 */
export async function chooseWallets(tx: Transaction, limit: number): Promise<void> {
  await recountedWallets.createAs(
    tx,
    firstThatFit(
      sql`
        select wallet_address as key, min(place) as place
        from (
          select side.wallet_address, o.place
          from (select *, row_number() over (order by changed_at, nft_id) as place from (${oldestMoments(limit)}) as oldest) as o
            left join lateral (${lookUp('wallet_holdings', sql`nft_id = o.nft_id`)}) as h on true,
            lateral (values (o.wallet_address), (h.wallet_address)) as side (wallet_address)
          where side.wallet_address is not null
          union all
          select wallet_address, ${raw(String(2 * limit))} + row_number() over ()
          from (select wallet_address from wallets.dirty_wallets
                where not exists (select 1 from wallets.dirty_editions) limit ${raw(String(limit))}) as dirty
        ) as changed
        group by wallet_address`,
      sql`select 1 from wallets.wallet_holdings h where h.wallet_address = candidate.key`,
      limit,
      // many changes of large wallets are among the oldest, so few rows of each are read before it is left
      Math.ceil(limit / 16),
      'wallet_address',
    ),
  );
}

/** Takes at most `limit` changed moments, oldest first, whose wallets on both sides are recounted. */
export async function takeMoments(tx: Transaction, limit: number): Promise<void> {
  const isRecounted = (side: string) =>
    sql`(${raw(side)} is null or ${raw(side)} in (select wallet_address from ${recountedWallets}))`;
  await movedMoments.createAs(
    tx,
    sql`
      select *, row_number() over (order by changed_at, nft_id) as place
      from (
        select o.nft_id, o.changed_at,
          case when o.holding_change is null then h.wallet_address else o.wallet_address end as wallet_before,
          case when o.holding_change is null then h.is_locked else o.is_locked end as locked_before,
          case when o.edition_change is null then m.edition_id else o.edition_id end as edition_before,
          h.wallet_address as wallet_after, h.is_locked as locked_after, m.edition_id as edition_after
        from (
            -- those of no wallet, neither before nor now
            select nft_id from (${oldestMoments(limit)}) as oldest
            where wallet_address is null and not exists (
              select 1 from wallets.wallet_holdings h where h.nft_id = oldest.nft_id and h.wallet_address is not null)
            union
            select h.nft_id from ${recountedWallets} w join wallets.wallet_holdings h on h.wallet_address = w.wallet_address
            union
            select o.nft_id
            from ${recountedWallets} w cross join lateral (${lookUp('outdated_moments', sql`wallet_address = w.wallet_address`)}) as o
          ) as near
          cross join lateral (${lookUp('outdated_moments', sql`nft_id = near.nft_id`)}) as o
          left join lateral (${lookUp('wallet_holdings', sql`nft_id = o.nft_id`)}) as h on true
          left join lateral (${lookUp('nft_core_metadata', sql`nft_id = o.nft_id`)}) as m on true
      ) as changed
      where ${isRecounted('wallet_before')} and ${isRecounted('wallet_after')}
      order by changed_at, nft_id limit ${raw(String(limit))}`,
  );
  await leaveLargeCorrections(tx, limit);
  await tx.query(sql`delete from wallets.outdated_moments o using ${movedMoments} t where o.nft_id = t.nft_id`);
}

/** An edition that lost a moment has its sales recounted, so a round corrects the moments of only so many editions. */
async function leaveLargeCorrections(tx: Transaction, limit: number): Promise<void> {
  await formerEditions.createAs(
    tx,
    firstThatFit(
      sql`select edition_before as key, min(place) as place from ${movedMoments}
          where edition_before <> edition_after or (edition_before is not null and edition_after is null)
          group by edition_before`,
      sql`select 1 from wallets.nft_core_metadata m where m.edition_id = candidate.key`,
      limit,
      Math.ceil(limit / 2),
      'edition_id',
    ),
  );
  await tx.query(sql`
    delete from ${movedMoments}
    where edition_before is distinct from edition_after and edition_before is not null
      and edition_before not in (select edition_id from ${formerEditions})`);
}

/** Whether the transaction sees no other change. */
export async function isUpToDate(tx: Transaction): Promise<boolean> {
  const { rows } = await tx.query<{ isUpToDate: boolean }>(sql`
    select not exists (select 1 from wallets.changed_holdings) and not exists (select 1 from wallets.changed_moments)
      and not exists (select 1 from wallets.new_sales) and not exists (select 1 from wallets.outdated_moments)
      and not exists (select 1 from wallets.dirty_editions) and not exists (select 1 from wallets.dirty_wallets)
      as "isUpToDate"`);
  return rows[0]!.isUpToDate;
}

const cleanedWallets = new TemporaryTable('cleaned_wallets');

/** The recounted wallets without another change are up to date. */
export async function cleanWallets(tx: Transaction): Promise<void> {
  await cleanedWallets.createAs(
    tx,
    sql`
      select wallet_address from ${recountedWallets}
      except
      select h.wallet_address
      from ${recountedWallets} w
        cross join lateral (${lookUp('wallet_holdings', sql`wallet_address = w.wallet_address`)}) as h
        cross join lateral (${lookUp('outdated_moments', sql`nft_id = h.nft_id`)}) as o
      where exists (select 1 from wallets.outdated_moments)
      except
      select o.wallet_address
      from ${recountedWallets} w
        cross join lateral (${lookUp('outdated_moments', sql`wallet_address = w.wallet_address`)}) as o`,
  );
  await tx.query(sql`
    delete from wallets.dirty_wallets d using ${cleanedWallets} c where d.wallet_address = c.wallet_address`);
}

function oldestMoments(limit: number): Sql {
  return sql`select * from wallets.outdated_moments order by changed_at, nft_id limit ${raw(String(limit))}`;
}

/** Deletes and returns rows of a dirty set. Without an index, which its writers would pay for, their order is unknown. */
function deleteSome(table: string, limit: number): Sql {
  return raw(`delete from ${table} where ctid = any (array(select ctid from ${table} limit ${limit})) returning *`);
}

/**
 * The candidates of a round, as `column`: those in the first place, whatever their size, then the others in the order of
 * their place until their rows number `limit`; none if that is 0. One with more than `largest` rows is left to the round in
 * which it has the first place; to stop at it would leave everything behind it to that round as well.
 *
 * @param candidates  `key`, `place`
 * @param rows        the rows of `candidate.key`
 */
function firstThatFit(candidates: Sql, rows: Sql, limit: number, largest: number, column: string): Sql {
  const maxRead = 2 * limit;
  return sql`
    with candidates as materialized (${candidates}),
      others as materialized (
        select * from candidates where place > (select min(place) from candidates) order by place),
      -- the inner LIMIT makes this a nested loop in the order of the candidates, which ends at the outer one
      read as materialized (
        select candidate.key, candidate.place
        from others as candidate cross join lateral (${rows} limit ${raw(String(largest + 1))}) as one_row
        order by candidate.place limit ${raw(String(maxRead))}),
      sizes as (
        select o.key, o.place, count(r.key) as size
        from others o left join read r on r.key = o.key
        group by o.key, o.place),
      sums as (
        select key, place, size, sum(size) filter (where size <= ${raw(String(largest))}) over (order by place, key) as total
        from sizes)
    select key as ${raw(column)} from candidates where place = (select min(place) from candidates) and ${raw(String(limit > 0))}
    union
    select key from sums
    where size <= ${raw(String(largest))} and total <= ${raw(String(limit))}
      and ((select count(*) from read) < ${raw(String(maxRead))} or place < (select max(place) from read))`;
}
