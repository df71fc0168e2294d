import * as z from 'zod';
import { InvalidInput } from './errors.ts';

/** A client's place in a list, opaque to it: base64url of the JSON of the last row's sort key. */
export function encodeCursor(position: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The sort key in a cursor, checked against what the list sorts by.
 *
 * @throws InvalidInput  the text is not a cursor of this list
 */
export function decodeCursor<T>(text: string, position: z.ZodType<T>): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (cause) {
    throw invalidCursor(cause);
  }
  const checked = position.safeParse(parsed);
  if (!checked.success) throw invalidCursor(checked.error);
  return checked.data;
}

function invalidCursor(cause: unknown): InvalidInput {
  const problem = { field: 'query.cursor', message: 'must be the nextCursor of an earlier answer to the same list' };
  return new InvalidInput('The cursor is not one of this list.', [problem], { cause });
}

/** The query parameter that takes a cursor. */
export const cursor = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be the nextCursor of an earlier answer');
