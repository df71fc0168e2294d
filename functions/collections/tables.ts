/** The collections room's tables (schema `collections`) and what a change of each is announced for. */
import type { TableDeclaration } from '../../shared/kernel/declaration.ts';

export const tables: readonly TableDeclaration[] = [
  {
    name: 'collections',
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
  {
    name: 'nfts',
    summary: 'One row a token, with the ids of its traits.',
    announces: ['collection-nfts:{address}'],
  },
  {
    name: 'collection_traits',
    summary: 'Each trait value of a collection and how many tokens have it, kept by a trigger.',
    announces: ['collection-nfts:{address}'],
  },
  {
    name: 'transfers',
    summary: 'Every transfer by its position in the chain: what ownership is derived from.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  {
    name: 'transfer_removals',
    summary: 'Logs that a reorg took back, so that an older report of one, delivered late, comes to nothing.',
    announces: { ttlOnly: 'Never cached: no view reads it.' },
  },
  {
    name: 'nft_ownership',
    summary: 'Who owns what: one row a token for ERC-721, one a holder for ERC-1155.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  {
    name: 'holder_snapshots',
    summary:
      'Lists of holders by their time, each seen when it is complete; for collections whose tokens nobody knows one by one.',
    announces: [
      'collection-owners:{address}',
      'collection-nfts:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  {
    name: 'snapshot_holders',
    summary: 'The holders of each list.',
    announces: [
      'collection-owners:{address}',
      'collection-nfts:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  {
    name: 'user_collections',
    summary: 'Tokens a wallet holds of a collection, kept by a trigger; wallet_collection_mapping is a view over it.',
    announces: ['collection-owners:{address}', 'wallet-collections:{wallet}', 'users:{fid}'],
  },
  { name: 'fc_users', summary: 'Farcaster users.', announces: ['users:{fid}'] },
  { name: 'fc_user_wallets', summary: 'The wallets of Farcaster users.', announces: ['users:{fid}'] },
];
