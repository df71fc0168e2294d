import * as z from 'zod';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { momentId } from './datasets.ts';
import { jobs } from './jobs.ts';
import { recordMoments } from './record-moments.ts';
import { tier } from './shapes.ts';
import { syncTable } from './sync-table.ts';
import type { WarehouseTable } from './warehouse-table.ts';
import { warehouseInteger, warehouseTime } from './warehouse-values.ts';

const name = z.string().min(1).max(500).nullable();
const row = z.strictObject({
  NFT_ID: momentId,
  SET_ID: warehouseInteger,
  PLAY_ID: warehouseInteger,
  SERIAL_NUMBER: warehouseInteger.pipe(z.int().min(1)),
  SET_NAME: name,
  TIER: tier.nullable(),
  PLAYER_NAME: name,
  TEAM_NAME: name,
  UPDATED_AT: warehouseTime,
});

const momentsTable: WarehouseTable<z.output<typeof row>> = {
  name: 'NFT_CORE_METADATA',
  columns: [
    { name: 'NFT_ID', type: 'fixed' },
    { name: 'SET_ID', type: 'fixed' },
    { name: 'PLAY_ID', type: 'fixed' },
    { name: 'SERIAL_NUMBER', type: 'fixed' },
    { name: 'SET_NAME', type: 'text' },
    { name: 'TIER', type: 'text' },
    { name: 'PLAYER_NAME', type: 'text' },
    { name: 'TEAM_NAME', type: 'text' },
    { name: 'UPDATED_AT', type: 'timestamp' },
  ],
  changedAt: 'UPDATED_AT',
  orderBy: '1',
  row,
  changedMicros: ({ UPDATED_AT }) => UPDATED_AT,
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
    sortKey: ({ NFT_ID }) => NFT_ID.padStart(19, '0'),
    async noteMissing(tx, run, after, upTo) {
      await tx.query(
        `insert into wallets.missing_rows (run, key)
         select $1, m.nft_id::text from wallets.nft_core_metadata m
         where m.nft_id > $2::bigint and ($3::bigint is null or m.nft_id <= $3::bigint)
           and not exists (select 1 from pg_temp.staged_moments s where s.nft_id = m.nft_id)
         on conflict do nothing`,
        [run, after?.NFT_ID ?? '-1', upTo?.NFT_ID ?? null],
      );
    },
    async remove(tx, keys) {
      const { rowCount } = await tx.query('delete from wallets.nft_core_metadata where nft_id = any($1::bigint[])', [
        keys,
      ]);
      return rowCount ?? 0;
    },
    count: 'select count(*) from wallets.nft_core_metadata',
  },
};

/** Syncs moments and their editions. A full sync removes burned moments. @source Snowflake NFT_CORE_METADATA */
export const syncMoments = handleJob(jobs.syncMoments, (context) => syncTable(momentsTable, context));
