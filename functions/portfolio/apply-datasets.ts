/** How the rows of each dataset of the portfolio domain are applied. */
import { handleDataset } from '../../shared/jobs/import.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { datasets } from './datasets.ts';
import { recordBalances } from './record-balances.ts';
import { recordLocks } from './record-locks.ts';
import { recordPrices } from './record-prices.ts';
import { recordTokenNames } from './record-token-names.ts';
import type { TokenReference } from './record-tokens.ts';
import { recordValues } from './record-values.ts';
import { recordWalletNames } from './record-wallet-names.ts';

interface NamedToken {
  token_symbol: string;
  chain?: string | undefined;
  token_address?: string | undefined;
}

function tokenOf({ chain, token_address, token_symbol }: NamedToken): TokenReference {
  const address = token_address === undefined ? null : toBytes(token_address);
  return { chain: chain ?? null, address, symbol: token_symbol };
}

export const wallets = handleDataset(datasets.wallets, {
  apply: (tx, rows) =>
    recordWalletNames(
      tx,
      rows.map((row) => ({
        wallet: row.wallet_address,
        label: row.label ?? null,
        isTracked: row.is_tracked ?? null,
      })),
    ),
});

export const tokens = handleDataset(datasets.tokens, {
  apply: (tx, rows) =>
    recordTokenNames(
      tx,
      rows.map((row) => ({
        ...tokenOf(row),
        name: row.name ?? null,
        decimals: row.decimals ?? null,
        coingeckoId: row.coingecko_id ?? null,
      })),
    ),
});

export const prices = handleDataset(datasets.prices, {
  apply: (tx, rows) =>
    recordPrices(
      tx,
      rows.map((row) => ({
        token: { ...tokenOf(row), name: row.name ?? null },
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
        token: tokenOf(row),
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

export const values = handleDataset(datasets.values, {
  apply: (tx, rows) =>
    recordValues(
      tx,
      rows.map((row) => ({
        wallet: row.wallet_address,
        capturedAt: row.snapshot_at,
        valueUsd: row.value_usd,
        pricedTokens: row.priced_tokens,
        unpricedTokens: row.unpriced_tokens,
      })),
    ),
});
