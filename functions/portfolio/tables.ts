/** The tables of the portfolio domain (schema `portfolio`), and the entities that a change to each announces. */
import { hotWarmCold, type TableDeclaration, withTiers } from '../../shared/kernel/table.ts';

const ofWallet = ['portfolios:{wallet}'];
const ofWalletAndList = ['portfolios:{wallet}', 'portfolio-list:all'];
const notCached = { nothing: 'Not cached: read from the primary.' };
const ofToken = ['tokens:{id}', 'token-prices:all'];

export const tables = withTiers({
  tokens: {
    summary: 'Tokens, each by chain and contract, or by symbol where no contract is known.',
    announces: ['tokens:{id}', 'token-list:all'],
  },
  wallets: { summary: 'Wallets, each by its address on all EVM chains.', announces: ofWalletAndList },
  token_balances: { summary: 'The latest balance of each token in each wallet.', announces: ofWalletAndList },
  balance_changes: {
    summary: 'Every change of a balance, with the times at which it was seen unchanged.',
    announces: ofWallet,
  },
  price_snapshots: {
    summary: 'Prices of tokens over time, in USD.',
    announces: ofToken,
    partitions: { by: 'month', column: 'recorded_at', ahead: 6 },
    tiers: {
      series: 'token_id',
      columns: {
        token_id: 'integer',
        recorded_at: 'timestamptz',
        price_usd: 'numeric',
        open_usd: 'numeric',
        high_usd: 'numeric',
        low_usd: 'numeric',
        volume_usd: 'numeric',
        market_cap_usd: 'numeric',
        source: 'text',
      },
      ...hotWarmCold,
    },
  },
  price_checks: {
    summary: 'The last comparison of two sources of prices, by token.',
    announces: { nothing: 'No answer shows it. What it finds marks the token.' },
  },
  price_disputes: {
    summary: 'The times in which two sources of prices disagreed by more than 5 %.',
    announces: { nothing: 'No answer shows it. The token is marked in the same transaction.' },
  },
  latest_prices: { summary: 'The latest price of each token, maintained by a trigger.', announces: ofToken },
  portfolio_snapshots: {
    summary: 'The values of wallets over time.',
    announces: ofWallet,
    partitions: { by: 'month', column: 'captured_at', ahead: 6, hash: { column: 'wallet_id', count: 4 } },
    tiers: {
      series: 'wallet_id',
      columns: {
        wallet_id: 'integer',
        captured_at: 'timestamptz',
        value_usd: 'numeric',
        priced_tokens: 'integer',
        unpriced_tokens: 'integer',
      },
      ...hotWarmCold,
    },
  },
  latest_values: {
    summary: 'The latest value of each wallet, maintained by a trigger.',
    announces: ofWallet,
  },
  value_moves: {
    summary: 'Assets that moved the value of a wallet by more than 20 % between two snapshots.',
    announces: ofWallet,
  },
  last_valuations: {
    summary: 'What each wallet held at its last snapshot, and what that was worth.',
    announces: { nothing: 'No answer shows it. The snapshot is announced in the same transaction.' },
  },
  positions: { summary: 'What wallets have put into protocols.', announces: ofWallet },
  position_snapshots: {
    summary: 'Amounts and values of positions over time.',
    announces: ofWallet,
    partitions: { by: 'month', column: 'captured_at', ahead: 6 },
    tiers: {
      series: 'position_id',
      columns: {
        position_id: 'integer',
        captured_at: 'timestamptz',
        amount: 'numeric',
        value_usd: 'numeric',
        unlock_at: 'timestamptz',
      },
      ...hotWarmCold,
    },
  },
  latest_positions: {
    summary: 'The latest snapshot of each position, maintained by a trigger.',
    announces: ofWallet,
  },
  governance_locks: { summary: 'Governance locks as of their last observation.', announces: ofWallet },
  alerts: { summary: 'The alerts of owners: what each observes, and where it is sent.', announces: notCached },
  alert_states: { summary: 'How far each alert has been evaluated, and whether it is armed.', announces: notCached },
  alert_firings: {
    summary: 'What alerts fired, a row a crossing, and how far each webhook is. Kept for 90 days.',
    announces: notCached,
  },
  asset_correlations: {
    summary: 'Correlations of the daily returns of assets over 30 and 90 days.',
    announces: ['asset-correlations:all'],
  },
  wallet_risks: { summary: 'The volatility and maximum drawdown of wallets over 30 and 90 days.', announces: ofWallet },
} satisfies Record<string, TableDeclaration>);
