import { archiveTable } from '../../shared/archive/archive.ts';
import { expireFiles } from '../../shared/archive/expire.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';
import { domains } from '../registry.ts';

/** Left for the month that was begun last. */
const reserveMs = 300_000;

/**
 * Moves the months of tiered tables that are old enough to files, and deletes files past their retention. What is left
 * undone, the next run does. A table that fails does not keep the others from theirs.
 */
export const handler = invocation<unknown, void>().handler(async (_, { getRemainingTimeInMillis }) => {
  const now = new Date();
  const errors: unknown[] = [];
  for (const table of tieredTablesOf(domains)) {
    const deadline = new Date(Date.now() + getRemainingTimeInMillis() - reserveMs);
    try {
      await archiveTable(table, { now, deadline });
      await expireFiles(table, { now });
    } catch (error) {
      log.error('table not archived', { table: `${table.schema}.${table.name}`, error });
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
});
