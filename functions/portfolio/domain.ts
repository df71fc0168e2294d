/** The declaration of the portfolio domain: what wallets hold, what it is worth, and what it was worth. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { datasets } from './datasets.ts';
import { events } from './events.ts';
import { jobs } from './jobs.ts';
import { tables } from './tables.ts';

export const portfolio = {
  name: 'portfolio',
  summary: 'Balances, positions, and governance locks of wallets, with prices and values over time.',
  entities: {
    portfolios: 'One wallet: its balances, positions, locks, and values.',
    'portfolio-list': 'The set of wallets, and what they hold.',
    tokens: 'One token: its names and prices.',
    'token-list': 'The set of tokens, and their names.',
    'token-prices': 'The prices of all tokens.',
    'asset-correlations': 'The correlations of assets.',
    alerts: 'One alert. Events name it, but no view is cached under it.',
  },
  operations,
  events,
  jobs,
  datasets,
  tables,
} satisfies Domain;
