import { createApi } from '../../shared/http/api.ts';
import { createAlert } from './create-alert.ts';
import { deleteAlert } from './delete-alert.ts';
import { portfolio } from './domain.ts';
import { getAlert } from './get-alert.ts';
import { getTokenPrice } from './get-token-price.ts';
import { listAlertFirings } from './list-alert-firings.ts';
import { listAlerts } from './list-alerts.ts';
import { listTokenPrices } from './list-token-prices.ts';
import { pauseAlert } from './pause-alert.ts';
import { replayFiring } from './replay-firing.ts';
import { resumeAlert } from './resume-alert.ts';
import { rotateAlertSecret } from './rotate-alert-secret.ts';

export const handler = createApi(portfolio, {
  getTokenPrice,
  listTokenPrices,
  createAlert,
  listAlerts,
  getAlert,
  pauseAlert,
  resumeAlert,
  deleteAlert,
  rotateAlertSecret,
  listAlertFirings,
  replayFiring,
});
