import { collections } from '../../functions/collections/domain.ts';
import { getCollection } from '../../functions/collections/get-collection.ts';
import { getNft } from '../../functions/collections/get-nft.ts';
import { getNftOwner } from '../../functions/collections/get-nft-owner.ts';
import { getTraits } from '../../functions/collections/get-traits.ts';
import { getUser } from '../../functions/collections/get-user.ts';
import { listCollections } from '../../functions/collections/list-collections.ts';
import { listHolders } from '../../functions/collections/list-holders.ts';
import { listNftTransfers } from '../../functions/collections/list-nft-transfers.ts';
import { listNfts } from '../../functions/collections/list-nfts.ts';
import { listUserCollections } from '../../functions/collections/list-user-collections.ts';
import { listWalletCollections } from '../../functions/collections/list-wallet-collections.ts';
import { type PlannedRead, testAnnouncements } from '../support/announced.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const address = `0x${'ab'.repeat(20)}`;
const reads: PlannedRead[] = [
  [listCollections, {}, {}],
  [getCollection, { address }, {}],
  [listNfts, { address }, {}],
  [listNfts, { address }, { owner: address, 'trait.Hat': ['Red'] }],
  [getTraits, { address }, {}],
  [listHolders, { address }, {}],
  [listHolders, { address }, { asOf: '2026-01-01T00:00:00Z' }],
  [getNft, { address, tokenId: '1' }, {}],
  [getNftOwner, { address, tokenId: '1' }, {}],
  [listNftTransfers, { address, tokenId: '1' }, {}],
  [getUser, { fid: '1' }, {}],
  [listUserCollections, { fid: '1' }, {}],
  [listWalletCollections, { address }, {}],
];

testAnnouncements(collections, pool, reads);
