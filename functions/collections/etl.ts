import { createEtl } from '../../shared/jobs/etl.ts';
import { collections } from './domain.ts';
import { fetchUserJob } from './fetch-user.ts';
import { imports } from './import-datasets.ts';
import { refreshCollectionJob } from './refresh-collection.ts';
import { syncTransfers } from './sync-transfers.ts';
import { syncUsers } from './sync-users.ts';
import { verifyOwnership } from './verify-ownership.ts';
import { warmPopular } from './warm-popular.ts';

const jobs = {
  refreshCollection: refreshCollectionJob,
  syncTransfers,
  verifyOwnership,
  syncUsers,
  fetchUser: fetchUserJob,
  warmPopular,
};

export const handler = createEtl(collections, jobs, imports);
