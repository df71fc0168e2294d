/** What the wallets room is, in pure values: moments, the wallets that hold them, editions and what they cost. */
import type { Domain } from '../../shared/kernel/declaration.ts';
import * as contract from './contract.ts';
import * as events from './events.ts';
import * as imports from './imports.ts';
import * as jobs from './jobs.ts';
import { tables } from './tables.ts';

export const wallets: Domain = {
  name: 'wallets',
  title: 'Wallets',
  summary: 'Moments held by wallets, their editions and prices, and the leaderboards over them, fed from a warehouse.',
  entities: {
    wallets: 'One wallet: the moments it holds, what they are worth, and its name.',
    'wallet-leaderboards': 'The leaderboards of wallets, as of the last refresh of the read models.',
    editions: 'One edition: its names, counts, prices and sales.',
    'edition-catalogue': 'What moments and editions there are, and their names.',
    'edition-list': 'The counts and prices of all editions, as of the last refresh of the read models.',
    search: 'The display names that a search finds.',
  },
  operations: [
    contract.getWalletSummary,
    contract.listHoldings,
    contract.listTopWallets,
    contract.listEditions,
    contract.getEdition,
    contract.getPriceHistory,
    contract.getExplorerFilters,
    contract.search,
  ],
  events: [
    events.holdingsChanged,
    events.walletProfileChanged,
    events.editionUpdated,
    events.editionPriceChanged,
    events.momentSold,
    events.snapshotsRefreshed,
  ],
  jobs: [
    jobs.syncHoldings,
    jobs.verifyHoldings,
    jobs.syncMoments,
    jobs.syncPrices,
    jobs.syncProfiles,
    jobs.refreshSnapshots,
    jobs.rebuildSnapshots,
  ],
  imports: [
    imports.moments,
    imports.plays,
    imports.sets,
    imports.setTiers,
    imports.holdings,
    imports.prices,
    imports.purchases,
  ],
  tables,
  // a sync of any length lives in 256 MB; the memory is for the CPU that comes with it
  functions: { etl: { memoryMb: 1_024, heapMb: 128 } },
  upstreams: [
    {
      name: 'snowflake',
      baseUrl: 'https://{account}.snowflakecomputing.com',
      secretKeys: ['account', 'user', 'privateKey', 'warehouse', 'database', 'schema', 'role'],
      askedBy: ['etl'],
      requestsPerSecond: 2,
    },
  ],
};
