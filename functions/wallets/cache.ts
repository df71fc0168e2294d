/** The wallets room's cached views: where each answer lives, and which changes hide it. */
import type { ViewDeclaration } from '../../shared/kernel/declaration.ts';

export const summary: ViewDeclaration = { entity: 'wallets:{address}', ttl: 300 };

export const holdings: ViewDeclaration = {
  entity: 'wallets:{address}',
  dependsOn: ['edition-catalogue:all'],
  ttl: 300,
};

export const leaderboard: ViewDeclaration = { entity: 'wallet-leaderboards:all', ttl: 600 };

export const editionList: ViewDeclaration = {
  entity: 'edition-list:all',
  dependsOn: ['edition-catalogue:all'],
  ttl: 3_600,
};

export const edition: ViewDeclaration = { entity: 'editions:{id}', ttl: 3_600 };

export const priceHistory: ViewDeclaration = { entity: 'editions:{id}', ttl: 3_600 };

export const filters: ViewDeclaration = {
  entity: 'edition-list:all',
  dependsOn: ['edition-catalogue:all'],
  ttl: 1_800,
};

export const search: ViewDeclaration = {
  entity: 'search:all',
  dependsOn: ['edition-catalogue:all', 'wallet-leaderboards:all'],
  ttl: 600,
};
