import sql, { raw } from 'sql-template-tag';
import * as z from 'zod';
import { cursorSql } from '../../shared/http/cursor-sql.ts';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { decodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { operations } from './contract.ts';
import { holdingsOfLargeWallet, holdingsOfSmallWallet, orders } from './holdings-in-order.ts';

const position = z.tuple([z.string().regex(/^[\d.:+ -]+$/), z.string().regex(/^\d{1,19}$/)]);

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
    const { sort, limit, cursor } = query;
    const list = listId(operations.listHoldings, { path, query });
    const [key, nftId] = cursor === undefined ? [] : decodeCursor(cursor, list, position);
    const after = key === undefined ? undefined : { key, nftId: nftId! };
    const page = { wallet: toBytes(path.address), filters: query, sort, after, size: limit + 1 };
    const direction = raw(orders[sort].direction);
    const isLarge = sql`exists (select 1 from wallets.large_wallets where wallet_address = ${page.wallet} and is_complete)`;
    return sql`
      with page as materialized (
        select * from (${holdingsOfSmallWallet(page)}) as small where not ${isLarge}
        union all
        select * from (${holdingsOfLargeWallet(page)}) as large where ${isLarge}
      )
      select jsonb_build_object(
          'holdings', coalesce(jsonb_agg(item order by n) filter (where n <= ${limit}), '[]'),
          'nextCursor', max(next) filter (where n = ${limit} and total > ${limit})
        )::text as body
      from (
        select row_number() over (order by page.key ${direction}, page.nft_id ${direction}) as n, count(*) over () as total,
          ${cursorSql(list, sql`page.key::text`, sql`page.nft_id::text`)} as next,
          jsonb_build_object(
            'momentId', h.nft_id::text, 'editionId', wallets.edition_name(e.set_id, e.play_id), 'setName', e.set_name,
            'playerName', e.player_name, 'teamName', e.team_name, 'tier', e.tier, 'serialNumber', m.serial_number,
            'isLocked', h.is_locked, 'floorUsd', price.floor_usd::text, 'averageSaleUsd', price.average_sale_usd::text,
            'lastEventAt', platform.iso(h.last_event_ts)) as item
        from page
          join wallets.wallet_holdings h on h.nft_id = page.nft_id
          left join wallets.nft_core_metadata m on m.nft_id = page.nft_id
          left join wallets.editions e on e.id = m.edition_id
          left join wallets.edition_prices_snapshot price on price.edition_id = e.id
      ) as described`;
  },
});
