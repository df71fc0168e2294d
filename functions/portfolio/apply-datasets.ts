/** How the rows of each dataset of the portfolio domain are applied. */
import { handleDataset } from '../../shared/jobs/import.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { datasets } from './datasets.ts';
import { recordBalances } from './record-balances.ts';
import { recordLocks } from './record-locks.ts';
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

export const balances = handleDataset(datasets.balances, {
  apply: (tx, rows) =>
    recordBalances(
      tx,
      rows.map((row) => ({
        wallet: row.wallet_address,
        token: {
          chain: row.chain ?? null,
          address: row.token_address === undefined ? null : toBytes(row.token_address),
          symbol: row.token_symbol,
        },
        balance: row.balance,
        asOf: row.snapshot_at,
        block: row.block ?? null,
      })),
    ),
});

export const locks = handleDataset(datasets.locks, {
  apply: (tx, rows) =>
    recordLocks(
      tx,
      rows.map((row) => ({
        protocol: row.protocol,
        chain: row.chain,
        lockId: row.lock_id,
        wallet: row.wallet_address ?? null,
        tokenId: null,
        amount: row.amount,
        unlockAt: row.lock_end,
        votingPower: row.voting_power ?? null,
        asOf: row.snapshot_at,
        block: null,
      })),
    ),
});
