import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';

/**
 * What is quarantined, by source and unit, optionally of one source. At most 200 per page. Read from the writer, never
 * cached.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listQuarantine = respond(operations.listQuarantine, async ({ query: parameters }) => {
  const { source, limit, cursor } = parameters;
  const list = listId(operations.listQuarantine, { query: parameters });
  const after = cursor === undefined ? undefined : decodeCursor(cursor, list, z.tuple([z.string(), z.string()]));
  const rows = await query<OperationResponse<typeof operations.listQuarantine>['quarantine'][number]>(
    sql`select q.source, q.unit, q.reason, q.attempts, q.data, platform.iso(q.since) as since,
          platform.iso(q.failed_at) as "failedAt", platform.iso(q.retry_at) as "retryAt", q.job_id as "jobId"
        from platform.quarantine q
        where true ${source === undefined ? empty : sql`and q.source = ${source}`}
          ${after === undefined ? empty : sql`and (q.source, q.unit) > (${after[0]}, ${after[1]})`}
        order by q.source, q.unit limit ${limit + 1}`,
    'sync',
  );
  const quarantine = rows.slice(0, limit);
  const last = quarantine.at(-1);
  return { quarantine, nextCursor: rows.length > limit && last ? encodeCursor(list, [last.source, last.unit]) : null };
});
