/** How the rows of each dataset of the portfolio domain are applied. */
import { handleDataset } from '../../shared/jobs/import.ts';
import { datasets } from './datasets.ts';
import { recordPrices } from './record-prices.ts';

export const prices = handleDataset(datasets.prices, {
  apply: (tx, rows) =>
    recordPrices(
      tx,
      rows.map((row) => ({
        token: { chain: row.chain ?? null, address: null, symbol: row.token_symbol, name: row.name ?? null },
        // the schema requires one of the two
        recordedAt: (row.recorded_at ?? row.date)!,
        priceUsd: row.price_usd,
        openUsd: row.open_usd ?? null,
        highUsd: row.high_usd ?? null,
        lowUsd: row.low_usd ?? null,
        volumeUsd: row.volume_usd ?? null,
        marketCapUsd: row.market_cap_usd ?? null,
        source: 'import',
      })),
    ),
});
