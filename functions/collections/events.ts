/** The facts the collections room announces. The triggers of its tables write them, in the changing transaction. */
import * as z from 'zod';
import type { EventDeclaration } from '../../shared/kernel/declaration.ts';

const changedCollection = z.object({ collection: z.string() });

export const collectionUpdated: EventDeclaration = {
  type: 'collection_updated',
  summary: "A collection's metadata, tokens or traits have changed.",
  entities: [
    'collections:{address}',
    'collection-nfts:{address}',
    'collection-owners:{address}',
    'wallet-collections:{wallet}',
    'users:{fid}',
  ],
  detail: changedCollection,
};

export const collectionRefreshed: EventDeclaration = {
  type: 'collection_refreshed',
  summary: 'A refresh of a collection from upstream has run to its end.',
  entities: ['collections:{address}'],
  detail: changedCollection,
};

export const nftTransferred: EventDeclaration = {
  type: 'nft_transferred',
  summary: 'Transfers of tokens were recorded, or taken back after a reorg.',
  entities: ['nfts:{address}:{tokenId}'],
  detail: changedCollection.extend({ transfers: z.int() }),
};

export const ownershipChanged: EventDeclaration = {
  type: 'ownership_changed',
  summary: 'Tokens have other owners, or owners other amounts.',
  entities: ['nfts:{address}:{tokenId}', 'collection-owners:{address}', 'wallet-collections:{wallet}', 'users:{fid}'],
  detail: changedCollection,
};

export const userUpdated: EventDeclaration = {
  type: 'user_updated',
  summary: "A Farcaster user's profile or wallets have changed.",
  entities: ['users:{fid}'],
  detail: z.object({}),
};
