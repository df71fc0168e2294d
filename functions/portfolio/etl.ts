import { createEtl } from '../../shared/jobs/etl.ts';
import * as datasets from './apply-datasets.ts';
import { portfolio } from './domain.ts';
import { syncPrices } from './sync-prices.ts';

export const handler = createEtl(portfolio, { syncPrices }, datasets);
