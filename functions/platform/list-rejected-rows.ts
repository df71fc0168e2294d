import sql from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor } from '../../shared/kernel/cursor.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { operations } from './contract.ts';

/**
 * The rows a job could not take, by their position in the file or run, with the reason for each. At most 200 a page.
 *
 * @throws NotFound      there is no such job
 * @throws InvalidInput  the cursor is of another list
 */
export const listRejectedRows = respond(operations.listRejectedRows, async ({ path, query: { limit, cursor } }) => {
  const [after] = cursor === undefined ? [-1] : decodeCursor(cursor, z.tuple([z.int()]));
  const [job] = await query(sql`select 1 from platform.jobs where id = ${path.id}`, 'sync');
  if (!job) throw new NotFound(`There is no job ${path.id}.`);
  const rows = await query<{ position: string; reason: string; row: unknown }>(
    sql`select position::text, reason, data as row from platform.rejected_rows
        where job_id = ${path.id} and position > ${after} order by position limit ${limit + 1}`,
    'sync',
  );
  const rejectedRows = rows.slice(0, limit).map((one) => ({ ...one, position: Number(one.position) }));
  const last = rejectedRows.at(-1);
  return { rejectedRows, nextCursor: rows.length > limit && last ? encodeCursor([last.position]) : null };
});
