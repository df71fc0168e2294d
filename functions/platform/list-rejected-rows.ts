import sql from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor, listId } from '../../shared/kernel/cursor.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { operations } from './contract.ts';

/**
 * The rows that a job rejected, by position in the file or run, with the reason for each. At most 200 per page.
 *
 * @throws NotFound      there is no such job
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listRejectedRows = respond(operations.listRejectedRows, async ({ path, query: { limit, cursor } }) => {
  const list = listId(operations.listRejectedRows, { path });
  const [after] = cursor === undefined ? [-1] : decodeCursor(cursor, list, z.tuple([z.int()]));
  const [job] = await query(sql`select 1 from platform.jobs where id = ${path.id}`, 'sync');
  if (!job) throw new NotFound(`Unknown job ${path.id}. List jobs with GET /v1/jobs.`);
  const rows = await query<{ position: string; reason: string; row: unknown }>(
    sql`select r.position::text, r.reason, r.data as row from platform.rejected_rows r
        where r.job_id = ${path.id} and r.position > ${after} order by r.position limit ${limit + 1}`,
    'sync',
  );
  const rejectedRows = rows.slice(0, limit).map((one) => ({ ...one, position: Number(one.position) }));
  const last = rejectedRows.at(-1);
  return { rejectedRows, nextCursor: rows.length > limit && last ? encodeCursor(list, [last.position]) : null };
});
