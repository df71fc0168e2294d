import sql, { empty, raw, type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { flowAddress, toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { operations } from './contract.ts';
import { countEditions, countTeams, everyWallet, summarize } from './summaries.ts';

const position = z.tuple([decimal, flowAddress, z.int().positive()]);

/** The columns of the summary that have a leaderboard, each with its index. */
const columns: Record<string, string> = {
  moments: 'moments_total',
  floorValue: 'floor_value',
  'tier.COMMON': 'tier_common',
  'tier.UNCOMMON': 'tier_uncommon',
  'tier.RARE': 'tier_rare',
  'tier.LEGENDARY': 'tier_legendary',
  'tier.ULTIMATE': 'tier_ultimate',
};

/**
 * Wallets by what a board counts, highest first, ranked from 1; and where one wallet stands on it.
 *
 * At most 200 a page. Wallets that have none are not on the board; equal ones stand in the order of their addresses. A
 * board is the state after one refresh of the snapshots, never between two: a refresh hides the cached answer.
 *
 * @throws InvalidInput  the cursor is of another list
 */
export const listTopWallets = read(operations.listTopWallets, {
  statement: ({ query: { by, limit, cursor, wallet } }) => {
    const [snapshot, live] = by.startsWith('team.')
      ? teamStandings(by.slice('team.'.length))
      : columnStandings(columns[by]!);
    const after = cursor === undefined ? undefined : decodeCursor(cursor, position);
    const beyond = after
      ? sql`where (s.value, s.wallet_address) < (${after[0]}::${raw(by === 'floorValue' ? 'numeric' : 'integer')}, ${toBytes(after[1])})`
      : empty;
    const start = after?.[2] ?? 0;
    // each by itself, so that the snapshot's index gives the page
    const pageOf = (standings: Sql) => sql`
      (select * from (${standings}) as s ${beyond} order by s.value desc, s.wallet_address desc limit ${limit + 1})`;
    const ownOf = (standings: Sql) => sql`
      select s.wallet_address, s.value from (${standings}) as s where s.wallet_address = ${toBytes(wallet ?? '0x')}`;
    const aheadOf = (standings: Sql) => sql`
      (select count(*) from (${standings}) as s where (s.value, s.wallet_address) > (o.value, o.wallet_address))`;
    return sql`
      with page as (${pageOf(snapshot)} union all ${pageOf(live)}),
        numbered as (
          select *, ${start}::integer + row_number() over (order by value desc, wallet_address desc)::integer as rank,
            count(*) over () as total
          from page),
        own as (${ownOf(snapshot)} union all ${ownOf(live)})
      select jsonb_build_object(
          'by', ${by}::text,
          'wallets', coalesce((
            select jsonb_agg(jsonb_build_object('rank', rank, 'address', wallets.wallet_name(wallet_address),
              'value', value::text, 'displayName', display_name) order by rank)
            from numbered where rank <= ${start + limit}), '[]'),
          'wallet', (
            select jsonb_build_object('rank', 1 + ${aheadOf(snapshot)} + ${aheadOf(live)},
              'address', wallets.wallet_name(o.wallet_address), 'value', o.value::text)
            from own o),
          'nextCursor', (select ${cursorSql(sql`value::text`, sql`wallets.wallet_name(wallet_address)`, sql`rank`)}
                         from numbered where rank = ${start + limit} and total > ${limit})
        )::text as body, (select max(updated_at) from page) as as_of, (select bool_or(live) from page) as live`;
  },
});

/**
 * `wallet_address`, `display_name`, `value`, `updated_at`, `live`: from the snapshot; and counted live, which gives
 * nothing unless there is no snapshot at all.
 */
function columnStandings(column: string): [snapshot: Sql, live: Sql] {
  const value = raw(column);
  return [
    sql`
      select wallet_address, display_name, ${value} as value, updated_at, false as live
      from wallets.wallet_summary_snapshot where ${value} > 0`,
    sql`
      select wallet_address, display_name, ${value} as value, null::timestamptz as updated_at, true as live
      from (${summarize(countEditions(everyWallet))}) as counted
      where ${value} > 0 and not exists (select 1 from wallets.wallet_summary_snapshot)`,
  ];
}

function teamStandings(team: string): [snapshot: Sql, live: Sql] {
  return [
    sql`
      select t.wallet_address, w.display_name, t.moments as value, w.updated_at, false as live
      from wallets.wallet_team_counts t join wallets.wallet_summary_snapshot w on w.wallet_address = t.wallet_address
      where t.team_name = ${team}`,
    sql`
      select counted.wallet_address, p.display_name, counted.moments as value, null::timestamptz as updated_at, true as live
      from (${countTeams(countEditions(everyWallet))}) as counted
        left join wallets.wallet_profiles p on p.wallet_address = counted.wallet_address
      where counted.team_name = ${team} and not exists (select 1 from wallets.wallet_summary_snapshot)`,
  ];
}
