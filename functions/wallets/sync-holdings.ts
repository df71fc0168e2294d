import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { flowAddress } from '../../shared/kernel/address.ts';
import { momentId } from './datasets.ts';
import { jobs } from './jobs.ts';
import { lockHoldings, recordHoldings } from './record-holdings.ts';
import { syncTable } from './sync-table.ts';
import { defineWarehouseTable } from './warehouse-table.ts';
import { warehouseFlag, warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  WALLET_ADDRESS: flowAddress,
  NFT_ID: momentId,
  IS_LOCKED: warehouseFlag,
  LAST_EVENT_TS: warehouseTime,
  UPDATED_AT: warehouseTime,
});

export const holdingsTable = defineWarehouseTable({
  name: 'WALLET_HOLDINGS',
  changedAt: 'UPDATED_AT',
  // by wallet, so that a batch contains few wallets and each wallet's change is announced once
  orderBy: '1, 2',
  row,
  record: (tx, rows) =>
    recordHoldings(
      tx,
      rows.map((one) => ({
        nftId: one.NFT_ID,
        wallet: one.WALLET_ADDRESS,
        isLocked: one.IS_LOCKED,
        lastEventMicros: one.LAST_EVENT_TS,
      })),
    ),
  removal: {
    key: 'NFT_ID',
    table: 'wallets.wallet_holdings',
    storedKey: { column: 'nft_id', type: 'bigint' },
    where: 'wallet_address is not null',
    eventAt: 'last_event_ts',
    lock: lockHoldings,
  },
});

/**
 * Syncs the holders of moments. A full sync removes the holdings of moments that the warehouse no longer has, except those
 * with an event later than anything in the warehouse.
 *
 * @source Snowflake WALLET_HOLDINGS
 */
export const syncHoldings = handleJob(jobs.syncHoldings, (context) => syncTable(holdingsTable, context));
