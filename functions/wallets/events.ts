/** The facts the wallets room announces. The triggers of its tables write them, in the changing transaction. */
import * as z from 'zod';
import type { EventDeclaration } from '../../shared/kernel/declaration.ts';

const nothing = z.object({});

export const holdingsChanged: EventDeclaration = {
  type: 'holdings_changed',
  summary: 'Wallets hold other moments, or hold them locked.',
  entities: ['wallets:{address}'],
  detail: nothing,
};

export const walletProfileChanged: EventDeclaration = {
  type: 'wallet_profile_changed',
  summary: 'Wallets have other display names.',
  entities: ['wallets:{address}', 'search:all'],
  detail: nothing,
};

export const editionUpdated: EventDeclaration = {
  type: 'edition_updated',
  summary: 'Editions or moments are new or changed.',
  entities: ['edition-catalogue:all', 'editions:{id}'],
  detail: nothing,
};

export const editionPriceChanged: EventDeclaration = {
  type: 'edition_price_changed',
  summary: 'Prices of editions were scraped.',
  entities: ['editions:{id}'],
  detail: nothing,
};

export const momentSold: EventDeclaration = {
  type: 'moment_sold',
  summary: 'Moments were sold.',
  entities: ['editions:{id}'],
  detail: nothing,
};

export const snapshotsRefreshed: EventDeclaration = {
  type: 'snapshots_refreshed',
  summary: 'The read models show what has changed since their last refresh.',
  entities: ['wallets:{address}', 'editions:{id}', 'wallet-leaderboards:all', 'edition-list:all'],
  detail: nothing,
};
