import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { recordEditionPrices } from './record-prices.ts';
import { syncTable } from './sync-table.ts';
import { defineWarehouseTable } from './warehouse-table.ts';
import { warehouseInteger, warehousePrice, warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  SET_ID: warehouseInteger,
  PLAY_ID: warehouseInteger,
  SCRAPED_AT: warehouseTime,
  FLOOR_USD: warehousePrice.nullable(),
  AVERAGE_SALE_USD: warehousePrice.nullable(),
  SALE_COUNT: warehouseInteger.nullable(),
});

export const pricesTable = defineWarehouseTable({
  name: 'EDITION_PRICE_SCRAPE',
  changedAt: 'SCRAPED_AT',
  orderBy: '3, 1, 2',
  row,
  record: (tx, rows) =>
    recordEditionPrices(
      tx,
      rows.map((one) => ({
        setId: one.SET_ID,
        playId: one.PLAY_ID,
        scrapedMicros: one.SCRAPED_AT,
        floorUsd: one.FLOOR_USD,
        averageSaleUsd: one.AVERAGE_SALE_USD,
        saleCount: one.SALE_COUNT,
      })),
    ),
});

/** Syncs the prices scraped since the last sync. Nothing is removed. @source Snowflake EDITION_PRICE_SCRAPE */
export const syncPrices = handleJob(jobs.syncPrices, (context) => syncTable(pricesTable, context));
