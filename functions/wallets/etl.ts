import { createEtl } from '../../shared/jobs/etl.ts';
import * as datasets from './apply-datasets.ts';
import { copyLargeWallets } from './copy-large-wallets.ts';
import { wallets } from './domain.ts';
import { rebuildSnapshots } from './rebuild-snapshots.ts';
import { refreshSnapshots } from './refresh-snapshots.ts';
import { syncHoldings } from './sync-holdings.ts';
import { syncMoments } from './sync-moments.ts';
import { syncPrices } from './sync-prices.ts';
import { syncProfiles } from './sync-profiles.ts';

const jobs = {
  syncHoldings,
  syncMoments,
  syncPrices,
  syncProfiles,
  refreshSnapshots,
  rebuildSnapshots,
  copyLargeWallets,
};

export const handler = createEtl(wallets, jobs, datasets);
