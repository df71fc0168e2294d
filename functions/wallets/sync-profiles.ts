import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { flowAddress, toBytes } from '../../shared/kernel/address.ts';
import { jobs } from './jobs.ts';
import { recordProfiles } from './record-profiles.ts';
import { syncTable } from './sync-table.ts';
import type { WarehouseTable } from './warehouse-table.ts';
import { warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  WALLET_ADDRESS: flowAddress,
  DISPLAY_NAME: z.string().min(1).max(200),
  UPDATED_AT: warehouseTime,
});

const profilesTable: WarehouseTable<z.output<typeof row>> = {
  name: 'WALLET_PROFILES',
  columns: [
    { name: 'WALLET_ADDRESS', type: 'text' },
    { name: 'DISPLAY_NAME', type: 'text' },
    { name: 'UPDATED_AT', type: 'timestamp' },
  ],
  changedAt: 'UPDATED_AT',
  orderBy: '1',
  row,
  changedMicros: ({ UPDATED_AT }) => UPDATED_AT,
  record: (tx, rows) =>
    recordProfiles(
      tx,
      rows.map((one) => ({ wallet: one.WALLET_ADDRESS, displayName: one.DISPLAY_NAME })),
    ),
  removal: {
    sortKey: ({ WALLET_ADDRESS }) => WALLET_ADDRESS,
    async noteMissing(tx, run, after, upTo) {
      await tx.query(
        `insert into wallets.missing_rows (run, key)
         select $1, encode(p.wallet_address, 'hex') from wallets.wallet_profiles p
         where p.wallet_address > $2 and p.wallet_address <= $3
           and not exists (select 1 from pg_temp.staged_profiles s where s.wallet_address = p.wallet_address)
         on conflict do nothing`,
        [
          run,
          after ? toBytes(after.WALLET_ADDRESS) : Buffer.alloc(0),
          upTo ? toBytes(upTo.WALLET_ADDRESS) : Buffer.alloc(9, 0xff),
        ],
      );
    },
    async remove(tx, keys) {
      const { rowCount } = await tx.query(
        `delete from wallets.wallet_profiles p using unnest($1::text[]) as key where p.wallet_address = decode(key, 'hex')`,
        [keys],
      );
      return rowCount ?? 0;
    },
    count: 'select count(*) from wallets.wallet_profiles',
  },
};

/** Syncs the display names of wallets. @source Snowflake WALLET_PROFILES */
export const syncProfiles = handleJob(jobs.syncProfiles, (context) => syncTable(profilesTable, context));
