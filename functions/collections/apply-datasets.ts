/** How the rows of each dataset of the collections domain are applied. */
import { handleDataset } from '../../shared/jobs/import.ts';
import { datasets } from './datasets.ts';
import { recordHolders, settleHolders } from './record-holders.ts';
import { recordNfts, recordTraits } from './record-nfts.ts';
import { recordTransfers } from './record-transfers.ts';
import { recordSeenWallets } from './record-users.ts';

export const nfts = handleDataset(datasets.nfts, {
  apply: (tx, rows) =>
    recordNfts(
      tx,
      rows.map(({ collection, token_id, name, description, image_url, token_uri, ...attributes }) => ({
        collection,
        tokenId: token_id,
        name,
        description,
        imageUrl: image_url,
        tokenUri: token_uri,
        attributes,
      })),
    ),
});

export const traits = handleDataset(datasets.traits, {
  apply: (tx, rows) =>
    recordTraits(
      tx,
      rows.map((row) => ({
        collection: row.collection,
        tokenId: row.token_id,
        type: row.trait_type,
        value: row.trait_value,
      })),
    ),
});

export const transfers = handleDataset(datasets.transfers, {
  apply: (tx, rows) =>
    recordTransfers(
      tx,
      rows.map((row) => ({
        collection: row.collection,
        tokenId: row.token_id,
        blockNumber: row.block_number,
        logIndex: row.log_index,
        transactionHash: row.transaction_hash,
        from: row.from_address,
        to: row.to_address,
        amount: row.amount,
        priceEth: row.eth_price,
        priceUsd: row.usd_price,
        timestamp: row.block_timestamp,
      })),
    ),
});

export const users = handleDataset(datasets.users, {
  apply: (tx, rows) =>
    recordSeenWallets(
      tx,
      rows.map((row) => ({
        fid: row.fid,
        wallet: row.wallet_address,
        username: row.username,
        seenAt: row.snapshot_at,
      })),
    ),
});

export const holders = handleDataset(datasets.holders, {
  apply: (tx, rows, jobId) =>
    recordHolders(
      tx,
      rows.map((row) => ({
        collection: row.collection,
        snapshotAt: row.snapshot_at,
        wallet: row.wallet_address,
        tokenCount: row.token_count,
      })),
      jobId,
    ),
  async finish(tx, jobId) {
    await settleHolders(tx, jobId);
    return undefined;
  },
});
