import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { flowAddress, toBytes } from '../../shared/kernel/address.ts';
import { momentId } from './datasets.ts';
import { jobs } from './jobs.ts';
import { lockHoldings, recordHoldings } from './record-holdings.ts';
import { syncTable } from './sync-table.ts';
import type { WarehouseTable } from './warehouse-table.ts';
import { warehouseFlag, warehouseTime } from './warehouse-values.ts';

const row = z.strictObject({
  WALLET_ADDRESS: flowAddress,
  NFT_ID: momentId,
  IS_LOCKED: warehouseFlag,
  LAST_EVENT_TS: warehouseTime,
  UPDATED_AT: warehouseTime,
});
type HoldingRow = z.output<typeof row>;

export const holdingsTable: WarehouseTable<HoldingRow> = {
  name: 'WALLET_HOLDINGS',
  columns: [
    { name: 'WALLET_ADDRESS', type: 'text' },
    { name: 'NFT_ID', type: 'fixed' },
    { name: 'IS_LOCKED', type: 'boolean' },
    { name: 'LAST_EVENT_TS', type: 'timestamp' },
    { name: 'UPDATED_AT', type: 'timestamp' },
  ],
  changedAt: 'UPDATED_AT',
  // by wallet, so that a batch contains few wallets and each wallet's change is announced once
  orderBy: '1, 2',
  row,
  changedMicros: ({ UPDATED_AT }) => UPDATED_AT,
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
    sortKey: ({ WALLET_ADDRESS, NFT_ID }) => WALLET_ADDRESS + NFT_ID.padStart(19, '0'),
    async noteMissing(tx, run, after, upTo, before) {
      await tx.query(
        `insert into wallets.missing_rows (run, key)
         select $1, encode(h.wallet_address, 'hex') || h.nft_id
         from wallets.wallet_holdings h
         where h.wallet_address between $2 and $4 and (h.wallet_address, h.nft_id) > ($2, $3) and (h.wallet_address, h.nft_id) <= ($4, $5)
           -- the statement does not see later events
           and h.last_event_ts < $6
           and not exists (select 1 from pg_temp.staged_holdings s where s.nft_id = h.nft_id and s.wallet_address = h.wallet_address)
         on conflict do nothing`,
        [
          run,
          after ? toBytes(after.WALLET_ADDRESS) : Buffer.alloc(0),
          after ? after.NFT_ID : '-1',
          upTo ? toBytes(upTo.WALLET_ADDRESS) : Buffer.alloc(9, 0xff),
          upTo ? upTo.NFT_ID : '0',
          before,
        ],
      );
    },
    async forgetMoved(tx, run) {
      await tx.query(
        `delete from wallets.missing_rows m
         where m.run = $1 and not exists (
           select 1 from wallets.wallet_holdings h
           where h.nft_id = substr(m.key, 17)::bigint and h.wallet_address = decode(left(m.key, 16), 'hex'))`,
        [run],
      );
    },
    async remove(tx, keys) {
      await lockHoldings(tx);
      // a moment that another wallet holds by now was moved, not removed
      const { rowCount } = await tx.query(
        `delete from wallets.wallet_holdings h using unnest($1::text[]) as key
         where h.nft_id = substr(key, 17)::bigint and h.wallet_address = decode(left(key, 16), 'hex')`,
        [keys],
      );
      return rowCount ?? 0;
    },
    count: 'select count(*) from wallets.wallet_holdings where wallet_address is not null',
  },
};

/**
 * Syncs the holders of moments. A full sync removes the holdings missing from the warehouse, except those newer than its
 * statement.
 *
 * @source Snowflake WALLET_HOLDINGS
 */
export const syncHoldings = handleJob(jobs.syncHoldings, (context) => syncTable(holdingsTable, context));
