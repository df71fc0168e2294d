import type { JobContext, JobOutcome } from '../../shared/jobs/etl.ts';
import { syncHoldings } from './sync-holdings.ts';

/**
 * The job: a full sync of the holdings. What has gone from the warehouse shows in no change of it, so an incremental sync
 * cannot see it.
 *
 * @throws Integrity  more is gone than is believed: none is removed
 * @source Snowflake WALLET_HOLDINGS
 */
export async function verifyHoldings(context: JobContext): Promise<JobOutcome> {
  return syncHoldings({ ...context, params: { mode: 'full' } });
}
