/** The collections room's tables (schema `collections`) and what a change of each is announced for. */
import type { TableDeclaration } from '../../shared/kernel/declaration.ts';

export const tables: readonly TableDeclaration[] = [
  {
    name: 'collections',
    summary: 'One row a collection: metadata, completeness, how far its transfers are known.',
    announces: ['collections:{address}', 'wallets:{wallet}', 'users:{fid}'],
  },
  {
    name: 'nfts',
    summary: 'One row a token, with the ids of its traits.',
    announces: ['collection-nfts:{address}', 'nfts:{address}:{tokenId}'],
  },
  {
    name: 'collection_traits',
    summary: 'Each trait value of a collection and how many tokens have it, kept by a trigger.',
    announces: ['collection-nfts:{address}'],
  },
  {
    name: 'transfers',
    summary: 'Every transfer by its position in the chain: what ownership is derived from.',
    announces: ['nfts:{address}:{tokenId}'],
  },
  {
    name: 'nft_ownership',
    summary: 'Who owns what: one row a token for ERC-721, one a holder for ERC-1155.',
    announces: ['nfts:{address}:{tokenId}', 'collection-owners:{address}', 'wallets:{wallet}', 'users:{fid}'],
  },
  {
    name: 'holder_snapshots',
    summary: 'Lists of holders of collections whose tokens are not known one by one.',
    announces: ['collection-owners:{address}'],
  },
  {
    name: 'user_collections',
    summary: 'Tokens a wallet holds of a collection, kept by a trigger; wallet_collection_mapping is a view over it.',
    announces: ['collection-owners:{address}', 'wallets:{wallet}', 'users:{fid}'],
  },
  { name: 'fc_users', summary: 'Farcaster users.', announces: ['users:{fid}'] },
  { name: 'fc_user_wallets', summary: 'The wallets of Farcaster users.', announces: ['users:{fid}'] },
];
