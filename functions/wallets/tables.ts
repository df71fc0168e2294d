/** The tables of the wallets domain (schema `wallets`), and the entities that a change to each announces. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

const derivedEditions = { nothing: 'Never cached: no view reads it. Editions have what is derived from it.' };
const dirtySet = { nothing: 'Never cached: no view reads it.' };

export const tables = {
  wallet_holdings: {
    summary: 'The holder of each moment as of its last event, one row per moment.',
    announces: ['wallets:{address}', 'editions:{id}', 'edition-list:all', 'wallet-leaderboards:all'],
  },
  large_wallets: {
    summary: 'Wallets whose holdings are copied to `large_wallet_holdings`, and how far.',
    announces: ['wallets:{address}'],
  },
  large_wallet_holdings: {
    summary: 'The holdings of large wallets with their sort keys, in the order of each list. Maintained by triggers.',
    announces: ['wallets:{address}'],
  },
  nft_core_metadata: {
    summary: 'Moments, each with its edition and serial number.',
    announces: [
      'edition-catalogue:all',
      'wallets:{address}',
      'editions:{id}',
      'edition-list:all',
      'wallet-leaderboards:all',
    ],
  },
  editions: {
    summary: 'Editions (a play in a set), with names, tier, and team derived from sets, tiers, and plays.',
    announces: [
      'edition-catalogue:all',
      'editions:{id}',
      'edition-list:all',
      'wallets:{address}',
      'wallet-leaderboards:all',
    ],
  },
  sets: { summary: 'The names of sets.', announces: derivedEditions },
  set_tiers: { summary: 'The tiers of sets, by set name.', announces: derivedEditions },
  plays: { summary: 'Plays: player, team, category, and other attributes.', announces: ['editions:{id}'] },
  wallet_profiles: {
    summary: 'The display names of wallets.',
    announces: ['wallets:{address}', 'search:all', 'wallet-leaderboards:all'],
  },
  edition_price_scrape: {
    summary: 'Every scraped price of each edition.',
    announces: ['editions:{id}', 'edition-list:all', 'wallets:{address}', 'wallet-leaderboards:all'],
  },
  edition_prices: {
    summary: 'The latest price of each edition, maintained by a trigger.',
    announces: ['editions:{id}', 'edition-list:all', 'wallets:{address}', 'wallet-leaderboards:all'],
  },
  player_price_scrape: { summary: 'Sale prices of each player’s moments over time.', announces: ['editions:{id}'] },
  purchases: {
    summary: 'Sales of moments, each stored once.',
    announces: ['editions:{id}', 'edition-list:all'],
  },
  wallet_summary_snapshot: {
    summary: 'The counts and value of each wallet. Leaderboards read its indexes.',
    announces: ['wallets:{address}', 'wallet-leaderboards:all'],
  },
  wallet_team_counts: {
    summary: 'How many moments of each team a wallet holds, for the leaderboards by team.',
    announces: ['wallet-leaderboards:all'],
  },
  editions_snapshot: {
    summary: 'Supply, holders, locked share, and prices of each edition, maintained by counting differences.',
    announces: ['editions:{id}', 'edition-list:all'],
  },
  edition_prices_snapshot: {
    summary: 'The price of each edition in lists of holdings: the latest as of the last refresh.',
    announces: ['wallets:{address}'],
  },
  dirty_wallets: { summary: 'Wallets whose summary is out of date.', announces: ['wallets:{address}'] },
  dirty_editions: { summary: 'Editions whose price or names changed.', announces: dirtySet },
  outdated_moments: {
    summary: 'Moments that the read models still count as they were before a change, and how.',
    announces: dirtySet,
  },
  changed_holdings: { summary: 'Holdings as they were before a change.', announces: dirtySet },
  changed_moments: { summary: 'Moments as they were before a change.', announces: dirtySet },
  new_sales: { summary: 'Sales not yet applied to the counters of editions.', announces: dirtySet },
  seen_rows: { summary: 'The keys in the result of a full sync, until it has ended.', announces: dirtySet },
  missing_rows: {
    summary: 'Stored rows that a full sync did not find, until it decides whether to remove them.',
    announces: dirtySet,
  },
} satisfies Record<string, TableDeclaration>;
