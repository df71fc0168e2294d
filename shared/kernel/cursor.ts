import * as z from 'zod';
import { InvalidInput } from './errors.ts';

/** A client's position in a list, opaque to the client: base64url of the JSON of the last row's sort key. */
export function encodeCursor(position: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The sort key in a cursor, checked against the list's sort order.
 *
 * @throws InvalidInput  the text is not a cursor for this list
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
  const problem = { field: 'query.cursor', message: 'must be a nextCursor from this list' };
  return new InvalidInput('The cursor is not valid for this list. Start again without one.', [problem], { cause });
}

/** The `cursor` query parameter. */
export const cursor = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be a nextCursor from an earlier response');
