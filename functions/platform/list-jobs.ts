import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { operations } from './contract.ts';
import { jobJson } from './job-json.ts';

/**
 * The jobs, latest first, optionally of one name or status. At most 200 per page. Read from the writer, never cached.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listJobs = respond(operations.listJobs, async ({ query: parameters }) => {
  const { job, status, limit, cursor } = parameters;
  const list = listId(operations.listJobs, { query: parameters });
  const [before] = cursor === undefined ? [undefined] : decodeCursor(cursor, list, z.tuple([ulidText]));
  const rows = await query<{ job: OperationResponse<typeof operations.getJob> }>(
    sql`select ${jobJson} as job from platform.jobs j
        where true ${job === undefined ? empty : sql`and j.job = ${job}`}
          ${status === undefined ? empty : sql`and j.status = ${status}`}
          ${before === undefined ? empty : sql`and j.id < ${before}`}
        order by j.id desc limit ${limit + 1}`,
    'sync',
  );
  const jobs = rows.slice(0, limit).map((row) => row.job);
  const last = jobs.at(-1);
  return { jobs, nextCursor: rows.length > limit && last ? encodeCursor(list, [last.id]) : null };
});
