import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { momentId } from './datasets.ts';
import { jobs } from './jobs.ts';
import { recordMoments } from './record-moments.ts';
import { tier } from './shapes.ts';
import { syncTable } from './sync-table.ts';
import { defineWarehouseTable } from './warehouse-table.ts';
import { warehouseInteger, warehouseName, warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  NFT_ID: momentId,
  SET_ID: warehouseInteger,
  PLAY_ID: warehouseInteger,
  SERIAL_NUMBER: warehouseInteger.pipe(z.int().min(1)),
  SET_NAME: warehouseName,
  TIER: tier.nullable(),
  PLAYER_NAME: warehouseName,
  TEAM_NAME: warehouseName,
  UPDATED_AT: warehouseTime,
});

export const momentsTable = defineWarehouseTable({
  name: 'NFT_CORE_METADATA',
  changedAt: 'UPDATED_AT',
  orderBy: '1',
  row,
  record: (tx, rows) =>
    recordMoments(
      tx,
      rows.map((one) => ({
        nftId: one.NFT_ID,
        setId: one.SET_ID,
        playId: one.PLAY_ID,
        serialNumber: one.SERIAL_NUMBER,
        setName: one.SET_NAME,
        tier: one.TIER,
        playerName: one.PLAYER_NAME,
        teamName: one.TEAM_NAME,
      })),
    ),
  removal: {
    key: 'NFT_ID',
    table: 'wallets.nft_core_metadata',
    storedKey: { column: 'nft_id', type: 'bigint' },
  },
});

/** Syncs moments and their editions. A full sync removes burned moments. @source Snowflake NFT_CORE_METADATA */
export const syncMoments = handleJob(jobs.syncMoments, (context) => syncTable(momentsTable, context));
