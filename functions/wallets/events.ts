/** The events of the wallets domain. The triggers of its tables write them in the transaction of the change. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  holdingsChanged: {
    summary: 'Moments moved between wallets, or were locked or unlocked.',
    entities: ['wallets:{address}'],
  },
  walletProfileChanged: {
    summary: 'Display names of wallets changed.',
    entities: ['wallets:{address}', 'search:all'],
  },
  editionUpdated: {
    summary: 'Editions or moments were added or changed.',
    entities: ['edition-catalogue:all', 'editions:{id}'],
  },
  editionPriceChanged: {
    summary: 'Prices of editions were recorded.',
    entities: ['editions:{id}'],
  },
  momentSold: {
    summary: 'Moments were sold.',
    entities: ['editions:{id}'],
  },
  snapshotsRefreshed: {
    summary: 'The read models were refreshed.',
    entities: ['wallets:{address}', 'editions:{id}', 'wallet-leaderboards:all', 'edition-list:all'],
  },
});
