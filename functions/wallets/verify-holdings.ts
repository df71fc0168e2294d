import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { holdingsTable } from './sync-holdings.ts';
import { syncTable } from './sync-table.ts';

/**
 * A full sync of the holdings. An incremental one does not see what is gone from the warehouse, because no change shows it.
 *
 * @throws Integrity  more is gone than is plausible; nothing is removed
 * @source Snowflake WALLET_HOLDINGS
 */
export const verifyHoldings = handleJob(jobs.verifyHoldings, (context) =>
  syncTable(holdingsTable, { ...context, params: jobs.syncHoldings.params.parse({ mode: 'full' }) }),
);
