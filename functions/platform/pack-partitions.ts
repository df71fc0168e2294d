import { type Packed, packTable } from '../../shared/db/pack-months.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';
import { domains } from '../registry.ts';

/** Reserved for the last statements of a run past its deadline. */
const reserveMs = 120_000;

/**
 * Packs the months of tiered tables that are no longer hot, and merges late rows into packs. What is left when time runs
 * out is done by the next run. A table that fails does not keep the others from theirs. Returns what was done.
 *
 * @throws Integrity    packs do not hold what they should: the rows stay where they were
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export const handler = invocation<unknown, Packed[]>().handler(async (_event, context) => {
  const now = new Date();
  const deadline = new Date(now.getTime() + context.getRemainingTimeInMillis() - reserveMs);
  const errors: unknown[] = [];
  const report: Packed[] = [];
  for (const table of tieredTablesOf(domains))
    try {
      const packed = await packTable(table, { now, deadline });
      if (packed) report.push(packed);
    } catch (error) {
      log.error('table not packed', { table: `${table.schema}.${table.name}`, error });
      errors.push(error);
    }
  if (errors.length > 0) throw errors[0];
  return report;
});
