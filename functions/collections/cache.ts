/** The collections room's cached views: where each answer lives, and which changes hide it. */
import type { ViewDeclaration } from '../../shared/kernel/declaration.ts';

export const directory: ViewDeclaration = {
  entity: 'collection-directory:all',
  ttl: 60,
  kind: 'ttlOnly',
  staleness: 'Counts and order of the directory may be one minute old.',
  graceSeconds: 3_600,
};

export const metadata: ViewDeclaration = { entity: 'collections:{address}', ttl: 'hot' };

export const nfts: ViewDeclaration = {
  entity: 'collection-nfts:{address}',
  dependsOn: ['collections:{address}', 'collection-owners:{address}'],
  ttl: 'warm',
};

export const traits: ViewDeclaration = {
  entity: 'collection-nfts:{address}',
  dependsOn: ['collections:{address}'],
  ttl: 'warm',
};

export const holders: ViewDeclaration = {
  entity: 'collection-owners:{address}',
  dependsOn: ['collections:{address}'],
  ttl: 'warm',
};

export const nft: ViewDeclaration = {
  entity: 'nfts:{address}:{tokenId}',
  dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
  ttl: 'warm',
};

export const owner: ViewDeclaration = {
  entity: 'nfts:{address}:{tokenId}',
  dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
  ttl: 'hot',
};

export const transfers: ViewDeclaration = {
  entity: 'nfts:{address}:{tokenId}',
  dependsOn: ['collection-nfts:{address}', 'collections:{address}'],
  ttl: 'cold',
};

export const user: ViewDeclaration = { entity: 'users:{fid}', ttl: 'hot' };

export const userCollections: ViewDeclaration = {
  entity: 'users:{fid}',
  ttl: 'cold',
};

export const walletCollections: ViewDeclaration = { entity: 'wallet-collections:{address}', ttl: 'cold' };
