/** The jobs of the portfolio domain. */
import { defineJobs } from '../../shared/kernel/job.ts';
import { alchemyprices } from '../upstreams/alchemyprices.ts';
import { coingecko } from '../upstreams/coingecko.ts';
import { defillama } from '../upstreams/defillama.ts';

export const jobs = defineJobs('portfolio', {
  syncPrices: {
    summary: 'Records the prices of tokens, and compares sources.',
    lane: 'bulk',
    schedule: 'rate(5 minutes)',
    upstreams: [defillama, coingecko, alchemyprices],
  },
});
