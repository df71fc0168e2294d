/** The declaration of the collections domain: NFT collections, their tokens, traits, and owners. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { datasets } from './datasets.ts';
import { events } from './events.ts';
import { jobs } from './jobs.ts';
import { tables } from './tables.ts';

export const collections = {
  name: 'collections',
  summary: 'NFT collections, their tokens, traits, owners, and transfers, and the Farcaster users who hold them.',
  entities: {
    collections: 'The metadata of one collection.',
    'collection-directory': 'The list of all collections.',
    'collection-nfts': 'The tokens and traits of one collection.',
    'collection-owners': 'The owners and holders of one collection.',
    nfts: 'The owners and transfers of one token.',
    users: 'One Farcaster user: the profile, the wallets, and their collections.',
    'wallet-collections': 'The collections that one wallet holds.',
  },
  operations,
  events,
  jobs,
  datasets,
  tables,
} satisfies Domain;
