import type { Transaction } from '../../shared/db/transaction.ts';
import type { ImportHandler } from '../../shared/jobs/import.ts';
import * as declared from './imports.ts';
import { recordPlays, recordSets, recordSetTiers } from './record-catalogue.ts';
import { recordHoldings } from './record-holdings.ts';
import { recordMoments } from './record-moments.ts';
import { recordEditionPrices, recordPlayerPrices } from './record-prices.ts';
import { recordPurchases } from './record-purchases.ts';

type Row = Record<string, never>;

/** How the rows of each dataset of this room are applied. */
export const imports: Record<string, ImportHandler<Row>> = {
  moments: {
    declaration: declared.moments,
    apply: (tx: Transaction, rows: Row[]) =>
      recordMoments(
        tx,
        rows.map((row) => ({
          nftId: row.moment_id!,
          setId: row.set_id!,
          playId: row.play_id!,
          serialNumber: row.serial_number!,
        })),
      ),
  },
  plays: {
    declaration: declared.plays,
    apply: (tx: Transaction, rows: Row[]) =>
      recordPlays(
        tx,
        rows.map(({ play_id, FullName, TeamAtMoment, PlayCategory, NbaSeason, DateOfMoment, ...details }) => ({
          id: play_id!,
          playerName: FullName!,
          teamName: TeamAtMoment,
          category: PlayCategory,
          season: NbaSeason,
          momentAt: DateOfMoment,
          details,
        })),
      ),
  },
  sets: {
    declaration: declared.sets,
    apply: (tx: Transaction, rows: Row[]) =>
      recordSets(
        tx,
        rows.map((row) => ({ id: row.set_id!, name: row.set_name! })),
      ),
  },
  set_tiers: {
    declaration: declared.setTiers,
    apply: (tx: Transaction, rows: Row[]) =>
      recordSetTiers(
        tx,
        rows.map((row) => ({ setName: row.set_name!, tier: row.tier! })),
      ),
  },
  holdings: {
    declaration: declared.holdings,
    apply: (tx: Transaction, rows: Row[]) =>
      recordHoldings(
        tx,
        rows.map((row) => ({
          nftId: row.moment_id!,
          wallet: row.wallet_address!,
          isLocked: row.is_locked ?? false,
          lastEventMicros: row.last_event_ts!,
        })),
      ),
  },
  prices: {
    declaration: declared.prices,
    async apply(tx: Transaction, rows: Row[]) {
      const editions = await recordEditionPrices(
        tx,
        rows
          .filter((row) => row.edition_id !== undefined)
          .map((row) => {
            const [setId, playId] = String(row.edition_id).split('-').map(Number);
            return {
              setId: setId!,
              playId: playId!,
              scrapedMicros: row.snapshot_at!,
              floorUsd: row.floor_usd ?? null,
              averageSaleUsd: row.average_sale_usd ?? null,
              saleCount: row.sale_count ?? null,
            };
          }),
      );
      const players = await recordPlayerPrices(
        tx,
        rows
          .filter((row) => row.player_name !== undefined)
          .map((row) => ({
            playerName: row.player_name!,
            scrapedMicros: row.snapshot_at!,
            medianSaleUsd: String(Number(row.median_recent_sale_cents) / 100),
            saleCount: row.recent_sale_count ?? 0,
            editionCount: row.distinct_editions ?? 0,
          })),
      );
      return { applied: editions.applied + players.applied, unchanged: editions.unchanged + players.unchanged };
    },
  },
  purchases: {
    declaration: declared.purchases,
    apply: (tx: Transaction, rows: Row[]) =>
      recordPurchases(
        tx,
        rows.map((row) => ({
          nftId: row.moment_id!,
          purchasedMicros: row.timestamp!,
          seller: row.seller_id ?? row.seller!,
          buyer: row.buyer ?? null,
          priceUsd: row.price!,
          blockHeight: row.block_height ?? null,
        })),
      ),
  },
};
