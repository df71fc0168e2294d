/** What the collections room is, in pure values: NFT collections, their tokens, traits and owners. */
import type { Domain } from '../../shared/kernel/declaration.ts';
import * as contract from './contract.ts';
import * as events from './events.ts';
import * as imports from './imports.ts';
import * as jobs from './jobs.ts';
import { tables } from './tables.ts';

export const collections: Domain = {
  name: 'collections',
  title: 'Collections',
  summary: 'NFT collections, their tokens, traits, owners and transfers, and the Farcaster users who hold them.',
  entities: {
    collections: 'The metadata of one collection.',
    'collection-directory': 'The list of all collections.',
    'collection-nfts': 'The tokens and traits of one collection.',
    'collection-owners': 'The owners and holders of one collection.',
    nfts: 'The owners and transfers of one token.',
    users: 'One Farcaster user: the profile, the wallets, and what these hold.',
    'wallet-collections': 'The collections that one wallet holds.',
  },
  operations: [
    contract.listCollections,
    contract.getCollection,
    contract.listNfts,
    contract.getTraits,
    contract.listHolders,
    contract.getNft,
    contract.getNftOwner,
    contract.listNftTransfers,
    contract.getUser,
    contract.listUserCollections,
    contract.listWalletCollections,
    contract.refreshCollection,
    contract.receiveAlchemyWebhook,
  ],
  events: [
    events.collectionUpdated,
    events.collectionRefreshed,
    events.nftTransferred,
    events.ownershipChanged,
    events.userUpdated,
  ],
  jobs: [
    jobs.loadCollection,
    jobs.syncTransfers,
    jobs.verifyOwnership,
    jobs.syncUsers,
    jobs.loadUser,
    jobs.warmPopular,
  ],
  imports: [imports.nfts, imports.traits, imports.transfers, imports.users, imports.holders],
  tables,
  upstreams: [
    {
      name: 'alchemy',
      baseUrl: 'https://eth-mainnet.g.alchemy.com',
      secretKeys: ['apiKey', 'webhookSigningKey'],
      askedBy: ['api', 'etl'],
      // 500 compute units a second on the free tier, 50 for a page of tokens
      requestsPerSecond: 10,
    },
    {
      name: 'neynar',
      baseUrl: 'https://api.neynar.com',
      secretKeys: ['apiKey'],
      askedBy: ['api', 'etl'],
      requestsPerSecond: 5,
    },
  ],
};
