/** The jobs of the collections domain. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { alchemy } from '../upstreams/alchemy.ts';
import { neynar } from '../upstreams/neynar.ts';
import { fid } from './shapes.ts';

export const jobs = defineJobs('collections', {
  loadCollection: {
    summary: 'Fetches the metadata, tokens, traits, owners, and new transfers of one collection, then warms its views.',
    lane: 'prompt',
    params: z.strictObject({ address }),
    upstreams: [alchemy],
  },
  syncTransfers: {
    summary:
      'Syncs the new transfers of the complete collections synced longest ago, at most 1,500 per run, in case a webhook was missed.',
    lane: 'bulk',
    schedule: 'rate(15 minutes)',
    upstreams: [alchemy],
  },
  verifyOwnership: {
    summary:
      'Compares the owners verified longest ago with upstream, and corrects drift. Covers every collection in a day.',
    lane: 'bulk',
    schedule: 'rate(1 hour)',
    keepsDatabaseAwake: true,
    upstreams: [alchemy],
  },
  syncUsers: {
    summary: 'Refreshes the Farcaster users whose wallets hold tokens, least recently refreshed first.',
    lane: 'bulk',
    schedule: 'rate(12 hours)',
    upstreams: [neynar],
  },
  loadUser: {
    summary: 'Fetches one Farcaster user and the collections of their wallets.',
    lane: 'prompt',
    params: z.strictObject({ fid }),
    upstreams: [alchemy, neynar],
  },
  warmPopular: {
    summary: 'Loads the views of the most read collections into the cache, off-peak.',
    lane: 'prompt',
    schedule: 'cron(0 4 * * ? *)',
  },
});
