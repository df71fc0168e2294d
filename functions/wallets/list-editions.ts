import sql, { empty, join, raw, type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { editionJson, editionStats } from './edition-stats.ts';

/** The sort keys. Missing values sort last. */
const orders = {
  id: { key: '0', direction: 'asc' },
  '-floor': { key: 'coalesce(s.floor_usd, -1)', direction: 'desc' },
  floor: { key: `coalesce(s.floor_usd, 'Infinity')`, direction: 'asc' },
  '-lastSale': { key: 'coalesce(extract(epoch from s.last_sale_at), -1)', direction: 'desc' },
  '-holders': { key: 'coalesce(s.holders, 0)', direction: 'desc' },
  '-supply': { key: 'coalesce(s.supply, 0)', direction: 'desc' },
  '-lockedShare': { key: 'coalesce(s.locked, 0)::numeric / greatest(s.held, 1)', direction: 'desc' },
} as const;

const position = z.tuple([z.string().regex(/^(-?\d+(\.\d+)?|Infinity)$/), z.int32(), z.int32()]);

/**
 * Editions with supply, holders, and prices, sorted by id, floor price, last sale, holders, supply, or locked share.
 *
 * At most 200 per page. Counts and prices are as of the snapshot's last refresh, which shows at once.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listEditions = read(operations.listEditions, {
  statement: ({ query }) => {
    const { key, direction } = orders[query.sort];
    const list = listId(operations.listEditions, { query });
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, list, position);
    const compare = raw(direction === 'asc' ? '>' : '<');
    const afterCursor = after
      ? [sql`((${raw(key)})::numeric, e.set_id, e.play_id) ${compare} (${after[0]}::numeric, ${after[1]}, ${after[2]})`]
      : [];
    const order = raw(`(${key})::numeric ${direction}, e.set_id ${direction}, e.play_id ${direction}`);
    return sql`
      with stats as (${editionStats})
      select jsonb_build_object(
          'editions', coalesce(jsonb_agg(item order by n) filter (where n <= ${query.limit}), '[]'),
          'nextCursor', max(next) filter (where n = ${query.limit} and total > ${query.limit})
        )::text as body, max(updated_at) as as_of, bool_or(live) as live
      from (
        select row_number() over (order by ${order}) as n, count(*) over () as total, s.updated_at, s.live,
          ${cursorSql(list, sql`((${raw(key)})::numeric)::text`, sql`e.set_id`, sql`e.play_id`)} as next,
          ${editionJson} as item
        from wallets.editions e left join stats s on s.edition_id = e.id
        ${where([...conditions(query), ...afterCursor])}
        order by ${order} limit ${query.limit + 1}
      ) as page`;
  },
});

function conditions({ tier, team, player }: OperationInput<typeof operations.listEditions>['query']): Sql[] {
  return [
    ...(tier === undefined ? [] : [sql`e.tier = ${tier}`]),
    ...(team === undefined ? [] : [sql`e.team_name = ${team}`]),
    ...(player === undefined ? [] : [sql`e.player_name = ${player}`]),
  ];
}

function where(all: Sql[]): Sql {
  return all.length === 0 ? empty : sql`where ${join(all, ' and ')}`;
}
