import sql, { raw } from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList, differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { updateEditionNames } from './record-catalogue.ts';

/** An edition's prices at one time, in USD. */
export interface EditionPrice {
  setId: number;
  playId: number;
  scrapedMicros: bigint;
  floorUsd: string | null;
  averageSaleUsd: string | null;
  saleCount: number | null;
}

const stagedPrices = new TemporaryTable('staged_prices', {
  set_id: 'integer',
  play_id: 'integer',
  scraped_at: 'timestamptz',
  floor_usd: 'numeric',
  average_sale_usd: 'numeric',
  sale_count: 'integer',
});
const editionPriceColumns = stagedPrices.columnsExcept('set_id', 'play_id', 'scraped_at');
/** The prices to store, from the staged row `s` and the stored one `p`. */
const givenOrStored = raw(editionPriceColumns.map((column) => `coalesce(s.${column}, p.${column})`).join(', '));

/**
 * Adds prices to the history of editions, corrects stored prices that differ, and creates missing editions. A price that is
 * no longer given stays.
 *
 * @source Snowflake EDITION_PRICE_SCRAPE, or the import `wallets.prices`
 */
export async function recordEditionPrices(tx: Transaction, prices: readonly EditionPrice[]): Promise<Changed> {
  await stagedPrices.fill(tx, prices, (one) => ({
    set_id: one.setId,
    play_id: one.playId,
    scraped_at: one.scrapedMicros,
    floor_usd: one.floorUsd,
    average_sale_usd: one.averageSaleUsd,
    sale_count: one.saleCount,
  }));
  const editions = await tx.query(sql`
    insert into wallets.editions (set_id, play_id)
    select distinct s.set_id, s.play_id from ${stagedPrices} s
      left join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
    where e.id is null order by 1, 2 on conflict do nothing`);
  if (editions.rowCount !== 0) await updateEditionNames(tx);
  const { rowCount } = await tx.query(sql`
    insert into wallets.edition_price_scrape (edition_id, scraped_at, ${columnList(editionPriceColumns)})
    select distinct on (e.id, s.scraped_at) e.id, s.scraped_at, ${givenOrStored}
    from ${stagedPrices} s
      join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
      left join wallets.edition_price_scrape p on p.edition_id = e.id and p.scraped_at = s.scraped_at
    where p.edition_id is null or (${columnList(editionPriceColumns, 'p')}) is distinct from (${givenOrStored})
    order by e.id, s.scraped_at, s.position desc
    on conflict (edition_id, scraped_at) do update set ${setExcluded(editionPriceColumns)}`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: prices.length - applied };
}

/** Sale prices of a player's moments around one time, in USD. */
export interface PlayerPrice {
  playerName: string;
  scrapedMicros: bigint;
  medianSaleUsd: string;
  saleCount: number;
  editionCount: number;
}

const stagedPlayerPrices = new TemporaryTable('staged_player_prices', {
  player_name: 'text',
  scraped_at: 'timestamptz',
  median_sale_usd: 'numeric',
  sale_count: 'integer',
  edition_count: 'integer',
});
const playerPriceColumns = stagedPlayerPrices.columnsExcept('player_name', 'scraped_at');

/** Adds prices to the history of players. @source the import `wallets.prices` */
export async function recordPlayerPrices(tx: Transaction, prices: readonly PlayerPrice[]): Promise<Changed> {
  await stagedPlayerPrices.fill(tx, prices, (one) => ({
    player_name: one.playerName,
    scraped_at: one.scrapedMicros,
    median_sale_usd: one.medianSaleUsd,
    sale_count: one.saleCount,
    edition_count: one.editionCount,
  }));
  const { rowCount } = await tx.query(sql`
    insert into wallets.player_price_scrape (${columnList(stagedPlayerPrices.columns)})
    select distinct on (s.player_name, s.scraped_at) ${columnList(stagedPlayerPrices.columns, 's')}
    from ${stagedPlayerPrices} s
      left join wallets.player_price_scrape p on p.player_name = s.player_name and p.scraped_at = s.scraped_at
    where ${differ(playerPriceColumns, 'p', 's')}
    order by s.player_name, s.scraped_at, s.position desc
    on conflict (player_name, scraped_at) do update set ${setExcluded(playerPriceColumns)}`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: prices.length - applied };
}
