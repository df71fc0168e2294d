/** The wallets room's work outside requests. */
import * as z from 'zod';
import type { JobDeclaration } from '../../shared/kernel/declaration.ts';

export const syncParams = z.strictObject({
  /** `full` also finds what is gone; `incremental` takes what has changed since the last sync, less an overlap. */
  mode: z.enum(['full', 'incremental']).default('incremental'),
  /** The share of the rows that a full sync may remove; more of them stop it. */
  removeAtMost: z.number().min(0).max(1).default(0.05),
});

export const syncHoldings: JobDeclaration = {
  name: 'syncHoldings',
  summary: 'Takes over who holds which moment: what has changed, or with `mode: full` everything, and what is gone.',
  params: syncParams,
  schedule: 'rate(15 minutes)',
  keepsDatabaseAwake: true,
};

export const verifyHoldings: JobDeclaration = {
  name: 'verifyHoldings',
  summary: 'Takes over all holdings, and removes those that the warehouse does not have any more.',
  params: z.strictObject({}),
  schedule: 'cron(10 5 * * ? *)',
};

export const syncMoments: JobDeclaration = {
  name: 'syncMoments',
  summary: 'Takes over what moments are, and their editions.',
  params: syncParams,
  schedule: 'rate(1 hour)',
  keepsDatabaseAwake: true,
};

export const syncPrices: JobDeclaration = {
  name: 'syncPrices',
  summary: 'Takes over the prices of editions scraped since the last time.',
  params: syncParams,
  schedule: 'rate(1 hour)',
  keepsDatabaseAwake: true,
};

export const syncProfiles: JobDeclaration = {
  name: 'syncProfiles',
  summary: 'Takes over what wallets are called.',
  params: syncParams,
  schedule: 'rate(6 hours)',
};

export const refreshSnapshots: JobDeclaration = {
  name: 'refreshSnapshots',
  summary: 'Takes up what has changed into the summaries, leaderboards and editions: changed keys alone.',
  params: z.strictObject({}),
  on: ['holdings_changed', 'wallet_profile_changed', 'edition_updated', 'edition_price_changed', 'moment_sold'],
};

export const rebuildSnapshots: JobDeclaration = {
  name: 'rebuildSnapshots',
  summary: 'Counts every wallet and edition anew, reports what had drifted and repairs it.',
  params: z.strictObject({}),
  schedule: 'cron(20 3 ? * SUN *)',
};
