import { createApi } from '../../shared/http/api.ts';
import { portfolio } from './domain.ts';
import { getTokenPrice } from './get-token-price.ts';

export const handler = createApi(portfolio, { getTokenPrice });
