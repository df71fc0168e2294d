/** How the rows of each dataset of the wallets domain are applied. */
import { handleDataset } from '../../shared/jobs/import.ts';
import { datasets } from './datasets.ts';
import { recordPlays, recordSets, recordSetTiers } from './record-catalogue.ts';
import { recordHoldings } from './record-holdings.ts';
import { recordMoments } from './record-moments.ts';
import { recordEditionPrices, recordPlayerPrices } from './record-prices.ts';
import { recordPurchases } from './record-purchases.ts';

export const moments = handleDataset(datasets.moments, {
  apply: (tx, rows) =>
    recordMoments(
      tx,
      rows.map((row) => ({
        nftId: row.moment_id,
        setId: row.set_id,
        playId: row.play_id,
        serialNumber: row.serial_number,
      })),
    ),
});

export const plays = handleDataset(datasets.plays, {
  apply: (tx, rows) =>
    recordPlays(
      tx,
      rows.map(({ play_id, FullName, TeamAtMoment, PlayCategory, NbaSeason, DateOfMoment, ...details }) => ({
        id: play_id,
        playerName: FullName,
        teamName: TeamAtMoment,
        category: PlayCategory,
        season: NbaSeason,
        momentAt: DateOfMoment,
        details,
      })),
    ),
});

export const sets = handleDataset(datasets.sets, {
  apply: (tx, rows) =>
    recordSets(
      tx,
      rows.map((row) => ({ id: row.set_id, name: row.set_name })),
    ),
});

export const setTiers = handleDataset(datasets.setTiers, {
  apply: (tx, rows) =>
    recordSetTiers(
      tx,
      rows.map((row) => ({ setName: row.set_name, tier: row.tier })),
    ),
});

export const holdings = handleDataset(datasets.holdings, {
  apply: (tx, rows) =>
    recordHoldings(
      tx,
      rows.map((row) => ({
        nftId: row.moment_id,
        wallet: row.wallet_address,
        isLocked: row.is_locked,
        lastEventMicros: row.last_event_ts,
      })),
    ),
});

export const prices = handleDataset(datasets.prices, {
  async apply(tx, rows) {
    const editions = await recordEditionPrices(
      tx,
      rows.flatMap((row) => {
        if (row.edition_id === undefined) return [];
        const [setId, playId] = row.edition_id.split('-').map(Number) as [number, number];
        return [
          {
            setId,
            playId,
            scrapedMicros: row.snapshot_at,
            floorUsd: row.floor_usd ?? null,
            averageSaleUsd: row.average_sale_usd ?? null,
            saleCount: row.sale_count ?? null,
          },
        ];
      }),
    );
    const players = await recordPlayerPrices(
      tx,
      rows.flatMap((row) => {
        if (row.player_name === undefined) return [];
        return [
          {
            playerName: row.player_name,
            scrapedMicros: row.snapshot_at,
            medianSaleUsd: String(Number(row.median_recent_sale_cents) / 100),
            saleCount: row.recent_sale_count ?? 0,
            editionCount: row.distinct_editions ?? 0,
          },
        ];
      }),
    );
    return { applied: editions.applied + players.applied, unchanged: editions.unchanged + players.unchanged };
  },
});

export const purchases = handleDataset(datasets.purchases, {
  apply: (tx, rows) =>
    recordPurchases(
      tx,
      rows.map((row) => ({
        nftId: row.moment_id,
        purchasedMicros: row.timestamp,
        // the schema requires one of the two
        seller: (row.seller_id ?? row.seller)!,
        buyer: row.buyer ?? null,
        priceUsd: row.price,
        blockHeight: row.block_height ?? null,
      })),
    ),
});
