/** The jobs of the portfolio domain. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { alchemyprices } from '../upstreams/alchemyprices.ts';
import { baserpc } from '../upstreams/baserpc.ts';
import { coingecko } from '../upstreams/coingecko.ts';
import { defillama } from '../upstreams/defillama.ts';
import { ethereumrpc } from '../upstreams/ethereumrpc.ts';
import { events } from './events.ts';

export const jobs = defineJobs('portfolio', {
  trackWallets: {
    summary: 'Begins to track wallets, or stops it: at most 40 per job.',
    lane: 'prompt',
    params: z.strictObject({
      wallets: z.array(address).min(1).max(40),
      isTracked: z.boolean().default(true),
    }),
  },
  syncPrices: {
    summary: 'Records the prices of tokens, and compares sources.',
    lane: 'bulk',
    schedule: 'rate(5 minutes)',
    upstreams: [defillama, coingecko, alchemyprices],
  },
  evaluateAlerts: {
    summary: 'Finds what has crossed the thresholds of alerts since the last evaluation.',
    lane: 'prompt',
    on: [events.priceRecorded, events.portfolioValued, events.positionChanged],
    // the time until a lock unlocks passes without an event
    schedule: 'rate(1 hour)',
  },
  deliverWebhooks: {
    summary: 'Sends the webhooks of alerts that fired, and again those that failed.',
    lane: 'prompt',
    on: [events.firingsQueued],
    schedule: 'rate(1 minute)',
  },
  syncBalances: {
    summary: 'Records what tracked wallets hold of ERC-20 tokens, per chain at one block.',
    lane: 'bulk',
    schedule: 'rate(15 minutes)',
    upstreams: [ethereumrpc, baserpc],
  },
  syncLocks: {
    summary: 'Records the veAERO and veCRV locks of tracked wallets, per chain at one block.',
    lane: 'bulk',
    schedule: 'rate(1 hour)',
    upstreams: [ethereumrpc, baserpc],
  },
  snapshotPortfolios: {
    summary: 'Records the values of tracked wallets, and which assets moved them.',
    lane: 'bulk',
    schedule: 'rate(5 minutes)',
  },
  computeRisk: {
    summary:
      'Computes correlations of assets, and the volatility and drawdown of tracked wallets, over 30 and 90 days.',
    lane: 'bulk',
    schedule: 'cron(30 2 * * ? *)',
  },
});
