import { wallets } from '../../functions/wallets/domain.ts';
import { getEdition } from '../../functions/wallets/get-edition.ts';
import { getExplorerFilters } from '../../functions/wallets/get-explorer-filters.ts';
import { getPriceHistory } from '../../functions/wallets/get-price-history.ts';
import { getWalletSummary } from '../../functions/wallets/get-wallet-summary.ts';
import { listEditions } from '../../functions/wallets/list-editions.ts';
import { listHoldings } from '../../functions/wallets/list-holdings.ts';
import { listTopWallets } from '../../functions/wallets/list-top-wallets.ts';
import { search } from '../../functions/wallets/search.ts';
import { type PlannedRead, testAnnouncements } from '../support/announced.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
const address = `0x${'ab'.repeat(8)}`;
const id = '26-565';
const reads: PlannedRead[] = [
  [getWalletSummary, { address }, {}],
  [listHoldings, { address }, {}],
  [listHoldings, { address }, { locked: 'true', tier: 'RARE', team: 'Harbour Gulls', edition: id, sort: '-floor' }],
  [listTopWallets, {}, {}],
  [listTopWallets, {}, { by: 'tier.LEGENDARY', wallet: address }],
  [listTopWallets, {}, { by: 'team.Harbour Gulls', wallet: address }],
  [listEditions, {}, {}],
  [listEditions, {}, { tier: 'RARE', team: 'Harbour Gulls', player: 'Ada Amsel', sort: '-lockedShare' }],
  [getEdition, { id }, {}],
  [getPriceHistory, { id }, {}],
  [getExplorerFilters, {}, {}],
  [search, {}, { q: 'ada' }],
  [search, {}, { q: '0xabc' }],
];

testAnnouncements(wallets, pool, reads);
