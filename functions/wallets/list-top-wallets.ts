import sql, { empty, raw, type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { flowAddress, toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { operations } from './contract.ts';
import { countEditions, countTeams, everyWallet, heldBy, summarize } from './summaries.ts';

const position = z.tuple([decimal, flowAddress, z.int32().positive()]);

/** The summary column of each leaderboard. Each column has an index. */
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
 * A leaderboard of wallets, highest value first, ranked from 1, with the rank of one wallet on request.
 *
 * At most 200 per page. Wallets with a value of zero are not on the board; ties are ordered by address, descending. A
 * board is the state after one refresh of the snapshots, never a mix of two. A refresh shows at once.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listTopWallets = read(operations.listTopWallets, {
  statement: ({ query: { by, limit, cursor, wallet } }) => {
    const [snapshot, live] = by.startsWith('team.')
      ? teamStandings(by.slice('team.'.length))
      : columnStandings(columns[by]!);
    // `wallet` adds to the answer, but does not change the list
    const list = listId(operations.listTopWallets, { query: { by } });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, list, position);
    const afterCursor = after
      ? sql`where (s.value, s.wallet_address) < (${after[0]}::${raw(by === 'floorValue' ? 'numeric' : 'integer')}, ${toBytes(after[1])})`
      : empty;
    const start = after?.[2] ?? 0;
    // snapshot and live are queried separately, so that the snapshot's index serves the page
    const selectPage = (standings: Sql) => sql`
      (select * from (${standings}) as s ${afterCursor} order by s.value desc, s.wallet_address desc limit ${limit + 1})`;
    const selectOwn = (standings: Sql) => sql`
      select s.wallet_address, s.value from (${standings}) as s where s.wallet_address = ${toBytes(wallet ?? '0x')}`;
    const countAhead = (standings: Sql) => sql`
      (select count(*) from (${standings}) as s where (s.value, s.wallet_address) > (o.value, o.wallet_address))`;
    return sql`
      with page as (${selectPage(snapshot)} union all ${selectPage(live)}),
        numbered as (
          select *, ${start}::integer + row_number() over (order by value desc, wallet_address desc)::integer as rank,
            count(*) over () as total
          from page),
        own as (${selectOwn(snapshot)} union all ${selectOwn(live)})
      select jsonb_build_object(
          'by', ${by}::text,
          'wallets', coalesce((
            select jsonb_agg(jsonb_build_object('rank', rank, 'address', wallets.wallet_name(wallet_address),
              'value', value::text, 'displayName', display_name) order by rank)
            from numbered where rank <= ${start + limit}), '[]'),
          'wallet', (
            select jsonb_build_object('rank', 1 + ${countAhead(snapshot)} + ${countAhead(live)},
              'address', wallets.wallet_name(o.wallet_address), 'value', o.value::text)
            from own o),
          'nextCursor', (select ${cursorSql(list, sql`value::text`, sql`wallets.wallet_name(wallet_address)`, sql`rank`)}
                         from numbered where rank = ${start + limit} and total > ${limit})
        )::text as body, (select max(updated_at) from page) as as_of, (select bool_or(live) from page) as live`;
  },
});

/**
 * Rows of `wallet_address`, `display_name`, `value`, `updated_at`, `live`, from the snapshot and counted live. The live
 * query returns rows only if the snapshot is empty.
 */
function columnStandings(column: string): [snapshot: Sql, live: Sql] {
  const value = raw(column);
  return [
    sql`
      select wallet_address, display_name, ${value} as value, updated_at, false as live
      from wallets.wallet_summary_snapshot where ${value} > 0`,
    sql`
      select wallet_address, display_name, ${value} as value, null::timestamptz as updated_at, true as live
      from (${summarize(countEditions(heldBy(everyWallet)))}) as counted
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
      from (${countTeams(countEditions(heldBy(everyWallet)))}) as counted
        left join wallets.wallet_profiles p on p.wallet_address = counted.wallet_address
      where counted.team_name = ${team} and not exists (select 1 from wallets.wallet_summary_snapshot)`,
  ];
}
