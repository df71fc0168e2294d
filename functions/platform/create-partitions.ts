import { createPartitions, type PartitionReport } from '../../shared/db/partitions.ts';
import { partitionedTablesOf } from '../../shared/kernel/domain.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { domains } from '../registry.ts';

/** Creates the partitions that the tables declare, and drops those past their retention. */
export const handler = invocation<unknown, PartitionReport[]>().handler(() =>
  createPartitions(partitionedTablesOf(domains), new Date()),
);
