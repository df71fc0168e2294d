import { createEtl } from '../../shared/jobs/etl.ts';
import * as datasets from './apply-datasets.ts';
import { collections } from './domain.ts';
import { loadCollection } from './load-collection.ts';
import { loadUser } from './load-user.ts';
import { syncTransfers } from './sync-transfers.ts';
import { syncUsers } from './sync-users.ts';
import { verifyOwnership } from './verify-ownership.ts';
import { warmPopular } from './warm-popular.ts';

const jobs = {
  loadCollection,
  syncTransfers,
  verifyOwnership,
  syncUsers,
  loadUser,
  warmPopular,
};

export const handler = createEtl(collections, jobs, datasets);
