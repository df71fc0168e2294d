/** The collections room's tables (schema `collections`) and what a change of each is announced for. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

export const tables = {
  collections: {
    summary: 'One row a collection: metadata, completeness, how far its transfers are known.',
    announces: [
      'collections:{address}',
      'collection-nfts:{address}',
      'collection-owners:{address}',
      'nfts:{address}:{tokenId}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  nfts: { summary: 'One row a token, with the ids of its traits.', announces: ['collection-nfts:{address}'] },
  collection_traits: {
    summary: 'Each trait value of a collection and how many tokens have it, kept by a trigger.',
    announces: ['collection-nfts:{address}'],
  },
  transfers: {
    summary: 'Every transfer by its position in the chain: what ownership is derived from.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  transfer_removals: {
    summary: 'Logs that a reorg took back, so that an older report of one, delivered late, comes to nothing.',
    announces: { nothing: 'Never cached: no view reads it.' },
  },
  nft_ownership: {
    summary: 'Who owns what: one row a token for ERC-721, one a holder for ERC-1155.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  holder_snapshots: {
    summary:
      'Lists of holders by their time, each seen when it is complete; for collections whose tokens nobody knows one by one.',
    announces: [
      'collection-owners:{address}',
      'collection-nfts:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  snapshot_holders: {
    summary: 'The holders of each list.',
    announces: [
      'collection-owners:{address}',
      'collection-nfts:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  user_collections: {
    summary: 'Tokens a wallet holds of a collection, kept by a trigger; wallet_collection_mapping is a view over it.',
    announces: ['collection-owners:{address}', 'wallet-collections:{wallet}', 'users:{fid}'],
  },
  fc_users: { summary: 'Farcaster users.', announces: ['users:{fid}'] },
  fc_user_wallets: { summary: 'The wallets of Farcaster users.', announces: ['users:{fid}'] },
} satisfies Record<string, TableDeclaration>;
