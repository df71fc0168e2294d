import { createApi } from '../../shared/http/api.ts';
import { wallets } from './domain.ts';
import { getEdition } from './get-edition.ts';
import { getExplorerFilters } from './get-explorer-filters.ts';
import { getPriceHistory } from './get-price-history.ts';
import { getWalletSummary } from './get-wallet-summary.ts';
import { listEditions } from './list-editions.ts';
import { listHoldings } from './list-holdings.ts';
import { listTopWallets } from './list-top-wallets.ts';
import { search } from './search.ts';

export const handler = createApi(wallets, {
  getWalletSummary,
  listHoldings,
  listTopWallets,
  listEditions,
  getEdition,
  getPriceHistory,
  getExplorerFilters,
  search,
});
