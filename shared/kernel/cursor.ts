import { createHash } from 'node:crypto';
import * as z from 'zod';
import { InvalidInput } from './errors.ts';

/** What chooses and sorts the items of a list: its operation, and the parameters of the request. */
export interface ListRequest {
  path?: object;
  query?: object;
}

/**
 * Identifies a list in its cursors: eight characters for the operation, its path, and every query parameter except
 * `limit` and `cursor`.
 */
export function listId({ operationId }: { operationId: string }, { path, query }: ListRequest): string {
  const parameters = { ...path, ...query, limit: undefined, cursor: undefined };
  return createHash('sha256')
    .update(JSON.stringify([operationId, parameters]))
    .digest('base64url')
    .slice(0, 8);
}

/**
 * A client's position in a list, opaque to the client: base64url of the JSON of the list's id and the last row's sort
 * key. `cursorSql` makes the same in SQL.
 */
export function encodeCursor(list: string, position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...position])).toString('base64url');
}

const parts = z.tuple([z.string()], z.unknown());

/**
 * The sort key in a cursor.
 *
 * @throws InvalidInput  the text is not a cursor, or belongs to another list, sort order, or filter
 */
export function decodeCursor<T>(text: string, list: string, position: z.ZodType<T>): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (cause) {
    throw invalidCursor(cause);
  }
  const cursor = parts.safeParse(parsed);
  if (!cursor.success) throw invalidCursor(cursor.error);
  const [cursorList, ...key] = cursor.data;
  if (cursorList !== list) throw foreignCursor();
  const checked = position.safeParse(key);
  if (!checked.success) throw invalidCursor(checked.error);
  return checked.data;
}

function invalidCursor(cause: unknown): InvalidInput {
  const problem = { field: 'query.cursor', message: 'must be a nextCursor from this list' };
  return new InvalidInput('The cursor is not valid for this list. Start again without one.', [problem], { cause });
}

function foreignCursor(): InvalidInput {
  const message = 'belongs to another list, sort order, or filter';
  return new InvalidInput(
    `The cursor ${message}. Send it with the parameters of the request that returned it, or start again without one.`,
    [{ field: 'query.cursor', message }],
  );
}

/** The `cursor` query parameter. It can hold a text of 100 characters, each of which JSON may write as an escape of six. */
export const cursor = z
  .string()
  .min(1)
  .max(1_024)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be a nextCursor from an earlier response');
