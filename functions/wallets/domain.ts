/** What the wallets room is, in pure values: moments, the wallets that hold them, editions and what they cost. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { datasets } from './datasets.ts';
import { events } from './events.ts';
import { jobs } from './jobs.ts';
import { tables } from './tables.ts';

export const wallets = {
  name: 'wallets',
  summary: 'Moments held by wallets, their editions and prices, and the leaderboards over them, fed from a warehouse.',
  entities: {
    wallets: 'One wallet: the moments it holds, what they are worth, and its name.',
    'wallet-leaderboards': 'The leaderboards of wallets, as of the last refresh of the read models.',
    editions: 'One edition: its names, counts, prices and sales.',
    'edition-catalogue': 'What moments and editions there are, and their names.',
    'edition-list': 'The counts and prices of all editions, as of the last refresh of the read models.',
    search: 'The display names that a search finds.',
  },
  operations,
  events,
  jobs,
  datasets,
  tables,
  // a sync of any length runs in 256 MB; the memory is for the CPU that comes with it
  etl: { memoryMb: 1_024, heapMb: 128 },
} satisfies Domain;
