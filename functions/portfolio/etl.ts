import { createEtl } from '../../shared/jobs/etl.ts';
import * as datasets from './apply-datasets.ts';
import { computeRisk } from './compute-risk.ts';
import { deliverWebhooks } from './deliver-webhooks.ts';
import { portfolio } from './domain.ts';
import { evaluateAlerts } from './evaluate-alerts.ts';
import { snapshotPortfolios } from './snapshot-portfolios.ts';
import { syncBalances } from './sync-balances.ts';
import { syncLocks } from './sync-locks.ts';
import { syncPrices } from './sync-prices.ts';
import { trackWallets } from './track-wallets.ts';

export const handler = createEtl(
  portfolio,
  {
    trackWallets,
    syncPrices,
    syncBalances,
    syncLocks,
    snapshotPortfolios,
    computeRisk,
    evaluateAlerts,
    deliverWebhooks,
  },
  datasets,
);
