import * as z from 'zod';

/** Text as Postgres can store it: NUL shows as ␀, a lone surrogate as �. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '␀');
}

/**
 * Text of an upstream that it may leave out, of any content: people choose names, so none may cost the page it is on. What
 * is not text counts as left out.
 */
export const upstreamText = z.string().transform(storable).nullish().catch(undefined);
