import { createEtl } from '../../shared/jobs/etl.ts';
import { wallets } from './domain.ts';
import { imports } from './import-datasets.ts';
import { rebuildSnapshots } from './rebuild-snapshots.ts';
import { refreshSnapshots } from './refresh-snapshots.ts';

export const handler = createEtl(wallets, { refreshSnapshots, rebuildSnapshots }, imports);
