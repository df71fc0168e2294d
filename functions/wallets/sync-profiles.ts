import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { flowAddress } from '../../shared/kernel/address.ts';
import { storedText } from '../../shared/kernel/text.ts';
import { jobs } from './jobs.ts';
import { recordProfiles } from './record-profiles.ts';
import { syncTable } from './sync-table.ts';
import { defineWarehouseTable } from './warehouse-table.ts';
import { warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  WALLET_ADDRESS: flowAddress,
  DISPLAY_NAME: storedText(200),
  UPDATED_AT: warehouseTime,
});

export const profilesTable = defineWarehouseTable({
  name: 'WALLET_PROFILES',
  changedAt: 'UPDATED_AT',
  orderBy: '1',
  row,
  record: (tx, rows) =>
    recordProfiles(
      tx,
      rows.map((one) => ({ wallet: one.WALLET_ADDRESS, displayName: one.DISPLAY_NAME })),
    ),
  removal: {
    key: 'WALLET_ADDRESS',
    table: 'wallets.wallet_profiles',
    storedKey: { column: 'wallet_address', type: 'bytea' },
    toStored: (address) => `\\x${address.slice(2)}`,
  },
});

/** Syncs the display names of wallets. @source Snowflake WALLET_PROFILES */
export const syncProfiles = handleJob(jobs.syncProfiles, (context) => syncTable(profilesTable, context));
