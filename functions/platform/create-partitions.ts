import { dropExpiredPartitions } from '../../shared/db/expired-partitions.ts';
import { findPartitionGaps } from '../../shared/db/partition-gaps.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';
import { count } from '../../shared/observability/metrics.ts';
import { domains } from '../registry.ts';

/**
 * Creates the partitions that the tables declare, then drops those past their retention, then reports gaps. None keeps
 * the others from their work.
 *
 * @throws Integrity  a table has gaps, or rows in a default partition
 * @throws Unavailable  the database failed (retryable)
 */
export const handler = invocation<unknown, void>().handler(async () => {
  const tables = partitionedTablesOf(domains);
  const now = new Date();
  const errors: unknown[] = [];
  for (const step of [createPartitions, dropExpiredPartitions, reportGaps])
    await step(tables, now).catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
});

/** Counts what is wrong in the metrics `PartitionGaps` and `DefaultPartitionRows`, which have alarms. */
async function reportGaps(tables: readonly PartitionedTable[], now: Date): Promise<void> {
  const gaps = await findPartitionGaps(tables, now);
  count('PartitionGaps', 'Count', sum(gaps.map(({ missing }) => missing.length)));
  count('DefaultPartitionRows', 'Count', sum(gaps.map(({ defaultRows }) => defaultRows)));
  if (gaps.length === 0) return;
  log.error('partitions missing, or rows in a default partition', { gaps });
  throw new Integrity('Partitions are missing, or rows are in a default partition.', { details: { gaps } });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
