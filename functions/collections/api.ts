import { createApi } from '../../shared/http/api.ts';
import { collections } from './domain.ts';
import { getCollection } from './get-collection.ts';
import { getNft } from './get-nft.ts';
import { getNftOwner } from './get-nft-owner.ts';
import { getTraits } from './get-traits.ts';
import { getUser } from './get-user.ts';
import { listCollections } from './list-collections.ts';
import { listHolders } from './list-holders.ts';
import { listNftTransfers } from './list-nft-transfers.ts';
import { listNfts } from './list-nfts.ts';
import { listUserCollections } from './list-user-collections.ts';
import { listWalletCollections } from './list-wallet-collections.ts';
import { receiveAlchemyWebhook } from './receive-alchemy-webhook.ts';
import { refreshCollection } from './refresh-collection.ts';

export const handler = createApi(collections, {
  listCollections,
  getCollection,
  listNfts,
  getTraits,
  listHolders,
  getNft,
  getNftOwner,
  listNftTransfers,
  getUser,
  listUserCollections,
  listWalletCollections,
  refreshCollection,
  receiveAlchemyWebhook,
});
