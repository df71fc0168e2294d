/** The events of the collections domain. The triggers of its tables write them in the transaction of the change. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  collectionUpdated: {
    summary: "A collection's metadata, tokens, or traits changed.",
    entities: [
      'collections:{address}',
      'collection-nfts:{address}',
      'collection-owners:{address}',
      'wallet-collections:{wallet}',
      'users:{fid}',
    ],
  },
  collectionRefreshed: {
    summary: 'A collection was refreshed from upstream.',
    entities: ['collections:{address}'],
  },
  nftTransferred: {
    summary: 'Transfers of tokens were recorded, or reverted after a reorg.',
    entities: ['nfts:{address}:{tokenId}'],
  },
  ownershipChanged: {
    summary: 'Tokens have new owners, or owners hold other amounts.',
    entities: ['nfts:{address}:{tokenId}', 'collection-owners:{address}', 'wallet-collections:{wallet}', 'users:{fid}'],
  },
  userUpdated: {
    summary: "A Farcaster user's profile or wallets changed.",
    entities: ['users:{fid}'],
  },
});
