/** The tables of the collections domain (schema `collections`), and the entities that a change to each announces. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

export const tables = {
  collections: {
    summary: 'One row per collection: metadata, completeness, and the block that its transfers are synced up to.',
    announces: [
      'collections:{address}',
      'collection-nfts:{address}',
      'collection-owners:{address}',
      'nfts:{address}:{tokenId}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  nfts: { summary: 'One row per token, with the ids of its traits.', announces: ['collection-nfts:{address}'] },
  collection_traits: {
    summary: 'The trait values of each collection and how many tokens have each, maintained by a trigger.',
    announces: ['collection-nfts:{address}'],
  },
  transfers: {
    summary: 'Every transfer by its position in the chain. Ownership is derived from it.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  transfer_removals: {
    summary: 'Logs that a reorg removed, so that an older report of one has no effect when it arrives late.',
    announces: { nothing: 'Never cached: no view reads it.' },
  },
  unsettled_transfers: {
    summary: 'Transfers in blocks that a reorg can still replace. A job compares their blocks with the chain.',
    announces: { nothing: 'Never cached: no view reads it.' },
  },
  nft_ownership: {
    summary: 'Owners: one row per token for ERC-721, one per token and holder for ERC-1155.',
    announces: [
      'nfts:{address}:{tokenId}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  holder_snapshots: {
    summary:
      'Lists of holders by time, each visible once it is complete. For collections whose individual tokens are unknown.',
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
    summary:
      'How many tokens of a collection a wallet holds, maintained by a trigger. `wallet_collection_mapping` is a view of it.',
    announces: ['collection-owners:{address}', 'wallet-collections:{wallet}', 'users:{fid}'],
  },
  fc_users: { summary: 'Farcaster users.', announces: ['users:{fid}'] },
  fc_user_wallets: { summary: 'The wallets of Farcaster users.', announces: ['users:{fid}'] },
} satisfies Record<string, TableDeclaration>;
