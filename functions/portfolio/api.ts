import { createApi } from '../../shared/http/api.ts';
import { portfolio } from './domain.ts';
import { getTokenPrice } from './get-token-price.ts';
import { listTokenPrices } from './list-token-prices.ts';

export const handler = createApi(portfolio, { getTokenPrice, listTokenPrices });
