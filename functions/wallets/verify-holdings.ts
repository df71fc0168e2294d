import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { holdingsTable } from './sync-holdings.ts';
import { syncTable } from './sync-table.ts';

/**
 * A full sync of holdings. An incremental sync cannot find rows that were deleted from the warehouse.
 *
 * @throws Integrity  more rows are missing than may be removed; nothing is removed
 * @source Snowflake WALLET_HOLDINGS
 */
export const verifyHoldings = handleJob(jobs.verifyHoldings, (context) =>
  syncTable(holdingsTable, { ...context, params: jobs.syncHoldings.params.parse({ mode: 'full' }) }),
);
