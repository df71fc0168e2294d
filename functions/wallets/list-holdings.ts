import sql, { empty, join, raw, type Sql } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor } from '../../shared/kernel/cursor.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { editionNamed } from './edition-named.ts';

const orders = {
  '-acquired': { key: 'h.last_event_ts', type: 'timestamptz', direction: 'desc' },
  acquired: { key: 'h.last_event_ts', type: 'timestamptz', direction: 'asc' },
  serial: { key: 'coalesce(m.serial_number, 2147483647)', type: 'integer', direction: 'asc' },
  '-floor': { key: 'coalesce(price.floor_usd, -1)', type: 'numeric', direction: 'desc' },
  moment: { key: 'h.nft_id', type: 'bigint', direction: 'asc' },
} as const;

const position = z.tuple([z.string(), z.string().regex(/^\d{1,19}$/)]);

/**
 * The moments that a wallet holds, with their editions and prices. The list is empty for an unknown wallet.
 *
 * At most 200 per page, sorted by time of acquisition, serial number, floor price, or moment. Prices are decimal strings
 * in USD from the edition's latest scrape, null if it was never scraped.
 *
 * A change to the wallet's holdings, or to a moment, shows at once. Prices are as of the last refresh of the read models,
 * normally seconds after a scrape. The round of the refresh that applies a new price, or the next one, voids the cached
 * answer.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listHoldings = read(operations.listHoldings, {
  statement: ({ path, query }) => {
    const { key, type, direction } = orders[query.sort];
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, position);
    const afterCursor = after
      ? sql`and (${raw(key)}, h.nft_id) ${raw(direction === 'asc' ? '>' : '<')} (${after[0]}::${raw(type)}, ${after[1]}::bigint)`
      : empty;
    return sql`
      select jsonb_build_object(
          'holdings', coalesce(jsonb_agg(item order by n) filter (where n <= ${query.limit}), '[]'),
          'nextCursor', max(next) filter (where n = ${query.limit} and total > ${query.limit})
        )::text as body
      from (
        select row_number() over (order by ${raw(key)} ${raw(direction)}, h.nft_id ${raw(direction)}) as n,
          count(*) over () as total,
          ${cursorSql(sql`(${raw(key)})::text`, sql`h.nft_id::text`)} as next,
          jsonb_build_object(
            'momentId', h.nft_id::text, 'editionId', wallets.edition_name(e.set_id, e.play_id), 'setName', e.set_name,
            'playerName', e.player_name, 'teamName', e.team_name, 'tier', e.tier, 'serialNumber', m.serial_number,
            'isLocked', h.is_locked, 'floorUsd', price.floor_usd::text, 'averageSaleUsd', price.average_sale_usd::text,
            'lastEventAt', platform.iso(h.last_event_ts)) as item
        from wallets.wallet_holdings h
          left join wallets.nft_core_metadata m on m.nft_id = h.nft_id
          left join wallets.editions e on e.id = m.edition_id
          left join wallets.edition_prices_snapshot price on price.edition_id = e.id
        where h.wallet_address = ${toBytes(path.address)} ${conditions(query)} ${afterCursor}
        order by ${raw(key)} ${raw(direction)}, h.nft_id ${raw(direction)} limit ${query.limit + 1}
      ) as page`;
  },
});

function conditions({ locked, tier, team, edition }: OperationInput<typeof operations.listHoldings>['query']): Sql {
  const all = [
    ...(locked === undefined ? [] : [sql`h.is_locked = ${locked === 'true'}`]),
    ...(tier === undefined ? [] : [sql`e.tier = ${tier}`]),
    ...(team === undefined ? [] : [sql`e.team_name = ${team}`]),
    ...(edition === undefined ? [] : [editionNamed(edition)]),
  ];
  return all.length === 0 ? empty : sql`and ${join(all, ' and ')}`;
}
