import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { settleEditions } from './record-catalogue.ts';

/** What an edition cost at a time, in USD. */
export interface EditionPrice {
  setId: number;
  playId: number;
  scrapedMicros: bigint;
  floorUsd: string | null;
  averageSaleUsd: string | null;
  saleCount: number | null;
}

/**
 * Adds prices to the history of their editions; one that is there already is corrected if it differs. An edition that
 * nobody has named yet is made.
 *
 * @source Snowflake EDITION_PRICE_SCRAPE, or the import `wallets.prices`
 */
export async function recordEditionPrices(tx: Transaction, prices: readonly EditionPrice[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_prices',
    {
      set_id: 'integer',
      play_id: 'integer',
      scraped_at: 'timestamptz',
      floor_usd: 'numeric',
      average_sale_usd: 'numeric',
      sale_count: 'integer',
    },
    prices.map((one) => [one.setId, one.playId, one.scrapedMicros, one.floorUsd, one.averageSaleUsd, one.saleCount]),
  );
  const editions = await tx.query(`
    insert into wallets.editions (set_id, play_id)
    select distinct s.set_id, s.play_id from pg_temp.staged_prices s
      left join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
    where e.id is null order by 1, 2 on conflict do nothing`);
  if (editions.rowCount !== 0) await settleEditions(tx);
  const { rowCount } = await tx.query(`
    insert into wallets.edition_price_scrape (edition_id, scraped_at, floor_usd, average_sale_usd, sale_count)
    select distinct on (e.id, s.scraped_at) e.id, s.scraped_at, s.floor_usd, s.average_sale_usd, s.sale_count
    from pg_temp.staged_prices s
      join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
      left join wallets.edition_price_scrape p on p.edition_id = e.id and p.scraped_at = s.scraped_at
    where p.edition_id is null
      or (p.floor_usd, p.average_sale_usd, p.sale_count) is distinct from (s.floor_usd, s.average_sale_usd, s.sale_count)
    order by e.id, s.scraped_at, s.position desc
    on conflict (edition_id, scraped_at) do update set floor_usd = excluded.floor_usd,
      average_sale_usd = excluded.average_sale_usd, sale_count = excluded.sale_count`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: prices.length - applied };
}

/** What a player's moments sold for around a time. */
export interface PlayerPrice {
  playerName: string;
  scrapedMicros: bigint;
  medianSaleUsd: string;
  saleCount: number;
  editionCount: number;
}

/** Adds prices to the history of their players. @source the import `wallets.prices` */
export async function recordPlayerPrices(tx: Transaction, prices: readonly PlayerPrice[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_player_prices',
    {
      player_name: 'text',
      scraped_at: 'timestamptz',
      median_sale_usd: 'numeric',
      sale_count: 'integer',
      edition_count: 'integer',
    },
    prices.map((one) => [one.playerName, one.scrapedMicros, one.medianSaleUsd, one.saleCount, one.editionCount]),
  );
  const { rowCount } = await tx.query(`
    insert into wallets.player_price_scrape (player_name, scraped_at, median_sale_usd, sale_count, edition_count)
    select distinct on (s.player_name, s.scraped_at) s.player_name, s.scraped_at, s.median_sale_usd, s.sale_count, s.edition_count
    from pg_temp.staged_player_prices s
      left join wallets.player_price_scrape p on p.player_name = s.player_name and p.scraped_at = s.scraped_at
    where (p.median_sale_usd, p.sale_count, p.edition_count) is distinct from (s.median_sale_usd, s.sale_count, s.edition_count)
    order by s.player_name, s.scraped_at, s.position desc
    on conflict (player_name, scraped_at) do update set median_sale_usd = excluded.median_sale_usd,
      sale_count = excluded.sale_count, edition_count = excluded.edition_count`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: prices.length - applied };
}
