/** The jobs of the wallets domain. */
import * as z from 'zod';
import { defineJobs, type Schedule } from '../../shared/kernel/job.ts';
import { snowflake } from '../upstreams/snowflake.ts';
import { events } from './events.ts';

const syncParams = z.strictObject({
  /** `full` reads all rows and removes missing ones; `incremental` reads the rows changed since the last sync. */
  mode: z.enum(['full', 'incremental']).default('incremental'),
  /** The share of rows that a full sync may remove. If more are missing, it fails and removes none. */
  maxRemovedShare: z.number().min(0).max(1).default(0.05),
});

/** What all syncs of warehouse tables have in common. */
const sync = { lane: 'bulk', params: syncParams, upstreams: [snowflake] } as const;

/**
 * The changed rows at intervals, and all rows off-peak, because changes do not show what was deleted, nor what the
 * warehouse recorded late.
 */
const changesAndAll = (changes: string, all: string): readonly Schedule[] => [
  { expression: changes },
  { expression: all, params: { mode: 'full' } },
];

export const jobs = defineJobs('wallets', {
  syncHoldings: {
    ...sync,
    summary: 'Syncs the changed holdings, or with `mode: full` all of them, removing the missing ones.',
    schedule: changesAndAll('rate(15 minutes)', 'cron(10 5 * * ? *)'),
  },
  syncMoments: {
    ...sync,
    summary: 'Syncs the changed moments and their editions, or with `mode: full` all, removing the missing moments.',
    schedule: changesAndAll('rate(1 hour)', 'cron(30 4 * * ? *)'),
  },
  syncPrices: {
    ...sync,
    summary: 'Syncs the latest prices of editions, or with `mode: full` all of them.',
    schedule: changesAndAll('rate(1 hour)', 'cron(50 5 ? * SUN *)'),
  },
  syncProfiles: {
    ...sync,
    summary: 'Syncs the changed display names of wallets, or with `mode: full` all, removing the missing ones.',
    schedule: changesAndAll('rate(6 hours)', 'cron(15 4 * * ? *)'),
  },
  refreshSnapshots: {
    summary: 'Refreshes the changed wallets and editions of the read models.',
    lane: 'prompt',
    on: [
      events.holdingsChanged,
      events.walletProfileChanged,
      events.editionUpdated,
      events.editionPriceChanged,
      events.momentSold,
    ],
  },
  rebuildSnapshots: {
    summary: 'Recounts every wallet and edition, reports drift from the read models, and repairs it.',
    lane: 'bulk',
    schedule: 'cron(20 3 ? * SUN *)',
  },
  copyLargeWallets: {
    summary: 'Copies the holdings of wallets that became large to where their lists are read.',
    lane: 'bulk',
    schedule: 'rate(1 hour)',
    keepsDatabaseAwake: true,
  },
});

export type SyncParams = z.output<typeof syncParams>;
