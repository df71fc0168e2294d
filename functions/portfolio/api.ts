import { createApi } from '../../shared/http/api.ts';
import { createAlert } from './create-alert.ts';
import { deleteAlert } from './delete-alert.ts';
import { portfolio } from './domain.ts';
import { getAlert } from './get-alert.ts';
import { getPortfolio } from './get-portfolio.ts';
import { getPortfolioHistory } from './get-portfolio-history.ts';
import { getPortfolios } from './get-portfolios.ts';
import { getTokenPrice } from './get-token-price.ts';
import { getWalletRisk } from './get-wallet-risk.ts';
import { listAlertFirings } from './list-alert-firings.ts';
import { listAlerts } from './list-alerts.ts';
import { listCorrelations } from './list-correlations.ts';
import { listLocks } from './list-locks.ts';
import { listPortfolios } from './list-portfolios.ts';
import { listPositionHistory } from './list-position-history.ts';
import { listPositions } from './list-positions.ts';
import { listTokenPrices } from './list-token-prices.ts';
import { listTokens } from './list-tokens.ts';
import { pauseAlert } from './pause-alert.ts';
import { replayFiring } from './replay-firing.ts';
import { resumeAlert } from './resume-alert.ts';
import { rotateAlertSecret } from './rotate-alert-secret.ts';

export const handler = createApi(portfolio, {
  createAlert,
  deleteAlert,
  getAlert,
  getPortfolio,
  getPortfolioHistory,
  getPortfolios,
  getTokenPrice,
  getWalletRisk,
  listAlertFirings,
  listAlerts,
  listCorrelations,
  listLocks,
  listPortfolios,
  listPositionHistory,
  listPositions,
  listTokenPrices,
  listTokens,
  pauseAlert,
  replayFiring,
  resumeAlert,
  rotateAlertSecret,
});
