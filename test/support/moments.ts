/** Moments, holdings, and prices for tests of the wallets domain, without a warehouse. */
import { recordHoldings } from '../../functions/wallets/record-holdings.ts';
import { type MomentRecord, recordMoments } from '../../functions/wallets/record-moments.ts';
import { recordEditionPrices } from '../../functions/wallets/record-prices.ts';
import { recordPurchases } from '../../functions/wallets/record-purchases.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { createTestDomain } from './test-domain.ts';

export async function createMoments() {
  const domain = await createTestDomain('wallets');
  /** Runs one round of refresh-snapshots. */
  /** A run ends after some seconds, and asks for the next one. */
  const refresh = async () => {
    await domain.runMessage({ job: 'wallets.refreshSnapshots', requestedBy: 'test' });
    await domain.drainJobs();
  };
  return { ...domain, refresh };
}

/** The address of wallet n. Addresses sort by their numbers. */
export const wallet = (n: number) => `0x${n.toString(16).padStart(16, '0')}`;

/** Noon on a day in January 2026, in microseconds since 1970. */
export const noon = (day: number) => BigInt(Date.UTC(2026, 0, day, 12)) * 1_000n;

/** `noon(day)` as responses format it. */
export const noonText = (day: number) => new Date(Date.UTC(2026, 0, day, 12)).toISOString();

/** Stores a moment, by default of edition `1-<playId>`. */
export const describeMoment = (tx: Transaction, nft: number, playId: number, more: Partial<MomentRecord> = {}) =>
  recordMoments(tx, [{ nftId: String(nft), setId: 1, playId, serialNumber: nft, ...more }]);

export const hold = (tx: Transaction, nft: number, owner: number, lastEventMicros: bigint, isLocked = false) =>
  recordHoldings(tx, [{ nftId: String(nft), wallet: wallet(owner), isLocked, lastEventMicros }]);

export const price = (
  tx: Transaction,
  playId: number,
  scrapedMicros: bigint,
  floorUsd: string | null,
  averageSaleUsd: string | null = null,
  setId = 1,
) => recordEditionPrices(tx, [{ setId, playId, scrapedMicros, floorUsd, averageSaleUsd, saleCount: null }]);

/** Stores a sale. The buyer then holds the moment. */
export const sell = (tx: Transaction, nft: number, buyer: number, purchasedMicros: bigint, priceUsd: string) =>
  recordPurchases(tx, [
    {
      nftId: String(nft),
      purchasedMicros,
      seller: wallet(0xff),
      buyer: wallet(buyer),
      priceUsd,
      blockHeight: null,
    },
  ]);
