/** The jobs of the wallets domain. */
import * as z from 'zod';
import { defineJobs } from '../../shared/kernel/job.ts';
import { snowflake } from '../upstreams/snowflake.ts';
import { events } from './events.ts';

const syncParams = z.strictObject({
  /** `full` reads all rows and removes missing ones; `incremental` reads the rows changed since the last sync. */
  mode: z.enum(['full', 'incremental']).default('incremental'),
  /** The share of rows that a full sync may remove. If more are missing, it fails and removes none. */
  maxRemovedShare: z.number().min(0).max(1).default(0.05),
});

const sync = { lane: 'bulk', params: syncParams, upstreams: [snowflake] } as const;

export const jobs = defineJobs('wallets', {
  syncHoldings: {
    ...sync,
    summary: 'Syncs the changed holdings, or with `mode: full` all of them, removing the missing ones.',
    schedule: 'rate(15 minutes)',
    keepsDatabaseAwake: true,
  },
  verifyHoldings: {
    summary: 'Syncs all holdings, and removes those missing from the warehouse.',
    lane: 'bulk',
    schedule: 'cron(10 5 * * ? *)',
    upstreams: [snowflake],
  },
  syncMoments: {
    ...sync,
    summary: 'Syncs moments and their editions.',
    schedule: 'rate(1 hour)',
    keepsDatabaseAwake: true,
  },
  syncPrices: {
    ...sync,
    summary: 'Syncs the prices of editions.',
    schedule: 'rate(1 hour)',
    keepsDatabaseAwake: true,
  },
  syncProfiles: {
    ...sync,
    summary: 'Syncs the display names of wallets.',
    schedule: 'rate(6 hours)',
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
