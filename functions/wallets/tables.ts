/** The wallets room's tables (schema `wallets`) and what a change of each is announced for. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

const inEditions = { nothing: 'Never cached: no view reads it; what follows from it is in the editions.' };
const dirtySet = { nothing: 'Never cached: no view reads it.' };

export const tables = {
  wallet_holdings: {
    summary: 'Who holds which moment: one row a moment, whom its last event left it with.',
    announces: ['wallets:{address}', 'editions:{id}', 'edition-list:all', 'wallet-leaderboards:all'],
  },
  nft_core_metadata: {
    summary: 'Moments: the edition and serial number of each.',
    announces: [
      'edition-catalogue:all',
      'wallets:{address}',
      'editions:{id}',
      'edition-list:all',
      'wallet-leaderboards:all',
    ],
  },
  editions: {
    summary: 'Editions (a play in a set), with the names, tier and team that follow from sets, tiers and plays.',
    announces: [
      'edition-catalogue:all',
      'editions:{id}',
      'edition-list:all',
      'wallets:{address}',
      'wallet-leaderboards:all',
    ],
  },
  sets: { summary: 'The names of sets.', announces: inEditions },
  set_tiers: { summary: 'The tier of each set, by its name.', announces: inEditions },
  plays: { summary: 'Plays: player, team, category, and what else is known.', announces: ['editions:{id}'] },
  wallet_profiles: {
    summary: 'Display names.',
    announces: ['wallets:{address}', 'search:all', 'wallet-leaderboards:all'],
  },
  edition_price_scrape: {
    summary: 'Every price of an edition as it was scraped.',
    announces: ['editions:{id}', 'edition-list:all', 'wallets:{address}', 'wallet-leaderboards:all'],
  },
  edition_prices: {
    summary: 'The latest price of each edition, kept by a trigger.',
    announces: ['editions:{id}', 'edition-list:all', 'wallets:{address}', 'wallet-leaderboards:all'],
  },
  player_price_scrape: { summary: 'Sales of a player’s moments over time.', announces: ['editions:{id}'] },
  purchases: {
    summary: 'Sales of moments, each once, however often it is told.',
    announces: ['editions:{id}', 'edition-list:all'],
  },
  wallet_summary_snapshot: {
    summary: 'Each wallet counted and valued: leaderboards read its indexes.',
    announces: ['wallets:{address}', 'wallet-leaderboards:all'],
  },
  wallet_team_counts: {
    summary: 'Moments of each team that a wallet holds: the leaderboards by team.',
    announces: ['wallet-leaderboards:all'],
  },
  editions_snapshot: {
    summary: 'Supply, holders, locked share and prices of each edition, kept by delta counters.',
    announces: ['editions:{id}', 'edition-list:all'],
  },
  edition_prices_snapshot: {
    summary: 'The price of each edition that lists of holdings show: the latest as of the last refresh.',
    announces: ['wallets:{address}'],
  },
  dirty_wallets: { summary: 'Wallets whose summary has to be computed anew.', announces: ['wallets:{address}'] },
  dirty_editions: { summary: 'Editions whose prices or names have changed.', announces: dirtySet },
  changed_holdings: { summary: 'Holdings as they were before a change.', announces: dirtySet },
  changed_moments: { summary: 'Moments as they were before a change.', announces: dirtySet },
  new_sales: { summary: 'Sales that the editions’ counters have not taken up.', announces: dirtySet },
  missing_rows: {
    summary: 'What a full sync has not found, until it decides whether to believe it.',
    announces: dirtySet,
  },
} satisfies Record<string, TableDeclaration>;
