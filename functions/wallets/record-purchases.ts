import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { recordHoldings } from './record-holdings.ts';

/** A sale of a moment. */
export interface PurchaseRecord {
  nftId: string;
  purchasedMicros: bigint;
  seller: string;
  /** Unknown where the source tells the seller alone. */
  buyer: string | null;
  priceUsd: string;
  blockHeight: number | null;
}

/**
 * Records sales, each once: a sale is the same by its moment, its time and its seller, however often it is told. The
 * buyer of a moment's last event holds it; where only the seller is known, the seller does not hold it any more.
 *
 * @source the import `wallets.purchases`
 */
export async function recordPurchases(tx: Transaction, purchases: readonly PurchaseRecord[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_purchases',
    {
      nft_id: 'bigint',
      purchased_at: 'timestamptz',
      seller: 'bytea',
      buyer: 'bytea',
      price_usd: 'numeric',
      block_height: 'bigint',
    },
    purchases.map((one) => [
      one.nftId,
      one.purchasedMicros,
      toBytes(one.seller),
      one.buyer && toBytes(one.buyer),
      one.priceUsd,
      one.blockHeight,
    ]),
  );
  const { rowCount } = await tx.query(`
    insert into wallets.purchases (nft_id, purchased_at, seller, buyer, price_usd, block_height)
    select distinct on (s.nft_id, s.purchased_at, s.seller) s.nft_id, s.purchased_at, s.seller, s.buyer, s.price_usd, s.block_height
    from pg_temp.staged_purchases s
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
