import { createPartitions } from '../../shared/db/partitions.ts';
import { log } from '../../shared/observability/log.ts';

/** Makes the outbox's partitions of the days to come, and drops those whose events nobody will ask for. */
export const handler = async (): Promise<void> => {
  log.info('partitions were looked after', await createPartitions());
};
