import { expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importBalances } = portfolioImports(domain);

test('the risk figures of a wallet, null where there were too few days, and new ones at once', async () => {
  const path = `/v1/risk/wallets/${wallet(1)}`;
  expect((await call(path)).status).toBe(404);
  await importBalances([wallet(1), 'AAA', '2026-01-01T00:00:00Z', 1]);
  expect((await call(path)).json).toEqual({ wallet: wallet(1), timeframes: [] });
  await commit((tx) =>
    tx.query(`insert into portfolio.wallet_risks (wallet_id, timeframe, volatility, max_drawdown, days, computed_at)
      select id, '90d', 0.123456789, 0.5, 80, timestamptz '2026-01-02Z' from portfolio.wallets
      union all select id, '30d', null, null, 1, timestamptz '2026-01-02Z' from portfolio.wallets`),
  );
  const computedAt = '2026-01-02T00:00:00.000Z';
  expect((await call(path)).json.timeframes).toEqual([
    { timeframe: '30d', volatility: null, maxDrawdown: null, days: 1, computedAt },
    { timeframe: '90d', volatility: '0.123457', maxDrawdown: '0.5', days: 80, computedAt },
  ]);
});
