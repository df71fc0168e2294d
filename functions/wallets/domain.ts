/** The declaration of the wallets domain: moments, the wallets that hold them, editions, and prices. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { datasets } from './datasets.ts';
import { events } from './events.ts';
import { jobs } from './jobs.ts';
import { tables } from './tables.ts';

export const wallets = {
  name: 'wallets',
  summary: 'Moments, the wallets that hold them, editions, prices, and leaderboards, synced from a warehouse.',
  entities: {
    wallets: 'One wallet: its moments, their value, and its display name.',
    'wallet-leaderboards': 'The leaderboards, as of the last refresh of the read models.',
    editions: 'One edition: its names, counts, prices and sales.',
    'edition-catalogue': 'The set of moments and editions, and their names.',
    'edition-list': 'The counts and prices of all editions, as of the last refresh of the read models.',
    search: 'The display names of wallets.',
  },
  operations,
  events,
  jobs,
  datasets,
  tables,
  // a sync of any length fits in 256 MB; Lambda allots CPU in proportion to memory
  etl: { memoryMb: 1_024, heapMb: 128 },
} satisfies Domain;
