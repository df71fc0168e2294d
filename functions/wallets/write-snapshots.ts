/** Writes what a round counted to the read models. */
import sql, { type Sql } from 'sql-template-tag';
import { columnList, differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import { countedInWallets } from './counted-moments.ts';
import { walletEditions } from './round-tables.ts';
import { countEditions, countTeams, summarize, summaryColumns } from './summaries.ts';

/** @throws Integrity  no wallet holds any moments: an empty response from the warehouse must not empty the read models */
export async function assertNotEmptied(tx: Transaction): Promise<void> {
  const { rows } = await tx.query<{ emptied: boolean }>(`
    select exists (select 1 from wallets.wallet_summary_snapshot)
      and not exists (select 1 from wallets.wallet_holdings where wallet_address is not null) as emptied`);
  if (rows[0]!.emptied)
    throw new Integrity('No wallet holds any moments. The snapshots were not changed. Check the sync of holdings.');
}

/** Counts the moments of each edition in each wallet of a scope. Later steps of the round read these counts. */
export async function countWallets(tx: Transaction, scope: Sql): Promise<void> {
  await walletEditions.createAs(tx, countEditions(countedInWallets(scope)));
}

/** The counts of `countWallets`, for `summarize` and `countTeams`. */
export const counted = sql`select * from ${walletEditions}`;

const teamChanges = new TemporaryTable('team_changes');

/** The columns of `wallet_summary_snapshot` that a refresh updates if they differ. */
export const writtenColumns = [...summaryColumns, 'last_synced_at'];

/** Writes the changed summaries and team counts of a scope, and deletes those of wallets that hold nothing. */
export async function writeWallets(tx: Transaction, scope: Sql): Promise<void> {
  await tx.query(sql`
    insert into wallets.wallet_summary_snapshot
    select n.wallet_address, ${columnList(summaryColumns, 'n')}, synced.at, now()
    from (${summarize(counted)}) as n
      left join wallets.wallet_summary_snapshot s on s.wallet_address = n.wallet_address,
      -- a wallet whose moments have all left, but still count, has no time of its own
      lateral (select coalesce(n.last_synced_at, s.last_synced_at, now()) as at) as synced
    where s.wallet_address is null or ${differ(summaryColumns, 's', 'n')} or s.last_synced_at <> synced.at
    order by n.wallet_address
    on conflict (wallet_address) do update set ${setExcluded([...writtenColumns, 'updated_at'])}`);
  await tx.query(sql`
    delete from wallets.wallet_summary_snapshot s using (${scope}) as scope
    where s.wallet_address = scope.wallet_address
      and not exists (select 1 from ${walletEditions} c where c.wallet_address = s.wallet_address)`);
  await teamChanges.createAs(
    tx,
    sql`select wallet_address, team_name, n.moments
        from (${countTeams(counted)}) as n
          full join (
            select t.* from (${scope}) as scope join wallets.wallet_team_counts t on t.wallet_address = scope.wallet_address
          ) as t using (wallet_address, team_name)
        where t.moments is distinct from n.moments`,
  );
  await tx.query(sql`
    delete from wallets.wallet_team_counts t using ${teamChanges} c
    where c.moments is null and t.wallet_address = c.wallet_address and t.team_name = c.team_name`);
  await tx.query(sql`
    insert into wallets.wallet_team_counts (wallet_address, team_name, moments)
    select wallet_address, team_name, moments from ${teamChanges} where moments is not null
    order by wallet_address, team_name
    on conflict (wallet_address, team_name) do update set moments = excluded.moments`);
}

/** The columns of `edition_prices_snapshot` without its key. */
export const priceColumns = ['floor_usd', 'average_sale_usd'] as const;

/** Copies the latest prices of a scope of editions to the snapshot. */
export async function writePrices(tx: Transaction, scope: Sql): Promise<void> {
  await tx.query(sql`
    delete from wallets.edition_prices_snapshot s using (${scope}) as scope
    where s.edition_id = scope.edition_id
      and not exists (select 1 from wallets.edition_prices p where p.edition_id = s.edition_id)`);
  await tx.query(sql`
    insert into wallets.edition_prices_snapshot (edition_id, floor_usd, average_sale_usd)
    select p.edition_id, p.floor_usd, p.average_sale_usd
    from (${scope}) as scope join wallets.edition_prices p on p.edition_id = scope.edition_id
      left join wallets.edition_prices_snapshot s on s.edition_id = p.edition_id
    where s.edition_id is null or ${differ(priceColumns, 's', 'p')}
    order by p.edition_id
    on conflict (edition_id) do update set ${setExcluded(priceColumns)}`);
}
