import sql, { empty } from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { decodeCursor, encodeCursor, listId } from '../../shared/kernel/cursor.ts';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { operations } from './contract.ts';
import { keyJson } from './key-json.ts';

/**
 * The keys, latest first, revoked ones included. At most 200 per page. Read from the writer, never cached.
 *
 * @throws InvalidInput  the cursor belongs to another list
 */
export const listKeys = respond(operations.listKeys, async ({ query: { limit, cursor } }) => {
  const list = listId(operations.listKeys, {});
  const [before] = cursor === undefined ? [undefined] : decodeCursor(cursor, list, z.tuple([ulidText]));
  const rows = await query<{ key: OperationResponse<typeof operations.revokeKey> }>(
    sql`select ${keyJson} as key from platform.keys k
        ${before === undefined ? empty : sql`where k.id < ${before}`} order by k.id desc limit ${limit + 1}`,
    'sync',
  );
  const keys = rows.slice(0, limit).map((row) => row.key);
  const last = keys.at(-1);
  return { keys, nextCursor: rows.length > limit && last ? encodeCursor(list, [last.id]) : null };
});
