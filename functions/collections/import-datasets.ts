import type { Transaction } from '../../shared/db/transaction.ts';
import type { ImportHandler } from '../../shared/jobs/import.ts';
import * as declared from './imports.ts';
import { recordHolders, settleHolders } from './record-holders.ts';
import { recordNfts, recordTraits } from './record-nfts.ts';
import { recordTransfers } from './record-transfers.ts';
import { recordSeenWallets } from './record-users.ts';

type Row = Record<string, never>;
type Text = Record<string, string>;

/** How the rows of each dataset of this room are applied. */
export const imports: Record<string, ImportHandler<Row>> = {
  nfts: {
    declaration: declared.nfts,
    apply: (tx: Transaction, rows: Row[]) =>
      recordNfts(
        tx,
        rows.map((row) => {
          const { collection, token_id, name, description, image_url, token_uri, ...attributes } = row as Text;
          return {
            collection: collection!,
            tokenId: token_id!,
            name,
            description,
            imageUrl: image_url,
            tokenUri: token_uri,
            attributes,
          };
        }),
      ),
  },
  traits: {
    declaration: declared.traits,
    apply: (tx: Transaction, rows: Row[]) =>
      recordTraits(
        tx,
        rows.map((row) => ({
          collection: row.collection!,
          tokenId: row.token_id!,
          type: row.trait_type!,
          value: row.trait_value!,
        })),
      ),
  },
  transfers: {
    declaration: declared.transfers,
    apply: (tx: Transaction, rows: Row[]) =>
      recordTransfers(
        tx,
        rows.map((row) => ({
          collection: row.collection!,
          tokenId: row.token_id!,
          blockNumber: row.block_number!,
          logIndex: row.log_index,
          transactionHash: row.transaction_hash!,
          from: row.from_address!,
          to: row.to_address!,
          amount: row.amount,
          priceEth: row.eth_price,
          priceUsd: row.usd_price,
          timestamp: row.block_timestamp,
        })),
      ),
  },
  users: {
    declaration: declared.users,
    apply: (tx: Transaction, rows: Row[]) =>
      recordSeenWallets(
        tx,
        rows.map((row) => ({
          fid: row.fid!,
          wallet: row.wallet_address!,
          username: row.username,
          seenAt: row.snapshot_at!,
        })),
      ),
  },
  holders: {
    declaration: declared.holders,
    apply: (tx: Transaction, rows: Row[], jobId: string) =>
      recordHolders(
        tx,
        rows.map((row) => ({
          collection: row.collection!,
          snapshotAt: row.snapshot_at!,
          wallet: row.wallet_address!,
          tokenCount: row.token_count!,
        })),
        jobId,
      ),
    finish: async (tx: Transaction, jobId: string) => {
      await settleHolders(tx, jobId);
      return undefined;
    },
  },
};
