import * as z from 'zod';

/** Text as Postgres can store it: NUL shows as ␀, a lone surrogate as �. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '␀');
}

/** Text that a column can hold, trimmed, of 1 to `max` UTF-16 units. */
export function storedText(max: number) {
  return z.string().overwrite(storable).trim().min(1).max(max);
}

/**
 * Text of an upstream that it may leave out, of any content: people choose names, so none may cost the page it is on. What
 * is not text counts as left out.
 */
export const upstreamText = z.string().transform(storable).nullish().catch(undefined);
