import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { recordHoldings } from './record-holdings.ts';

/** A sale of a moment. */
export interface PurchaseRecord {
  nftId: string;
  purchasedMicros: bigint;
  seller: string;
  /** Null if the source has only the seller. */
  buyer: string | null;
  priceUsd: string;
  blockHeight: number | null;
}

const stagedPurchases = new TemporaryTable('staged_purchases', {
  nft_id: 'bigint',
  purchased_at: 'timestamptz',
  seller: 'bytea',
  buyer: 'bytea',
  price_usd: 'numeric',
  block_height: 'bigint',
});

/**
 * Stores each sale once, identified by moment, time, and seller. If a sale is the last event of a moment, its buyer holds
 * the moment, or no known wallet if only the seller is known.
 *
 * @source the import `wallets.purchases`
 */
export async function recordPurchases(tx: Transaction, purchases: readonly PurchaseRecord[]): Promise<Changed> {
  await stagedPurchases.fill(tx, purchases, (one) => ({
    nft_id: one.nftId,
    purchased_at: one.purchasedMicros,
    seller: toBytes(one.seller),
    buyer: one.buyer === null ? null : toBytes(one.buyer),
    price_usd: one.priceUsd,
    block_height: one.blockHeight,
  }));
  const { rowCount } = await tx.query(sql`
    insert into wallets.purchases (${columnList(stagedPurchases.columns)})
    select distinct on (s.nft_id, s.purchased_at, s.seller) ${columnList(stagedPurchases.columns, 's')}
    from ${stagedPurchases} s
      left join wallets.purchases p on p.nft_id = s.nft_id and p.purchased_at = s.purchased_at and p.seller = s.seller
    where p.nft_id is null
    order by s.nft_id, s.purchased_at, s.seller, s.buyer nulls last
    on conflict do nothing`);
  await recordHoldings(
    tx,
    purchases.map((one) => ({
      nftId: one.nftId,
      wallet: one.buyer,
      isLocked: false,
      lastEventMicros: one.purchasedMicros,
    })),
  );
  const applied = rowCount ?? 0;
  return { applied, unchanged: purchases.length - applied };
}
