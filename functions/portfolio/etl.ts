import { createEtl } from '../../shared/jobs/etl.ts';
import * as datasets from './apply-datasets.ts';
import { portfolio } from './domain.ts';

export const handler = createEtl(portfolio, {}, datasets);
