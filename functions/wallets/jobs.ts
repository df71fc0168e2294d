/** The wallets room's work outside requests. */
import * as z from 'zod';
import type { JobDeclaration } from '../../shared/kernel/declaration.ts';

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
