import { dropExpiredPartitions } from '../../shared/db/expired-partitions.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { domains } from '../registry.ts';

/**
 * Creates the partitions that the tables declare, then drops those past their retention. Neither keeps the other from
 * its work.
 */
export const handler = invocation<unknown, void>().handler(async () => {
  const tables = partitionedTablesOf(domains);
  const now = new Date();
  try {
    await createPartitions(tables, now);
  } finally {
    await dropExpiredPartitions(tables, now);
  }
});
