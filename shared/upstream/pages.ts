import type * as z from 'zod';
import type { Batch } from '../jobs/sync.ts';
import { PositionExpired, Upstream } from '../kernel/errors.ts';

/** One page from an upstream: its valid rows, the rejected ones with reasons, and the key of the next page. */
export interface Page<Row> {
  rows: Row[];
  rejected: { reason: string; row: unknown }[];
  next: string | null;
}

/**
 * The pages of an upstream as batches of a sync, starting at a position. Fetches one page ahead.
 *
 * @throws Upstream  a page names itself as the next one
 */
export async function* pagesOf<Row>(
  position: unknown,
  fetchPage: (key: string | null) => Promise<Page<Row>>,
): AsyncIterable<Batch<Row>> {
  let { key } = (position ?? { key: null }) as { key: string | null };
  let fetching: Promise<Page<Row>> | undefined = fetchPage(key);
  while (fetching) {
    const { rows, rejected, next }: Page<Row> = await fetching;
    if (next !== null && next === key) throw new Upstream('The upstream names a page as the one after itself.');
    key = next;
    fetching = key === null ? undefined : fetchPage(key);
    // an error in the page fetched ahead surfaces when that page is awaited
    fetching?.catch(() => {});
    yield { rows, rejected, next: key === null ? null : { key } };
  }
}

/**
 * A position that was stored as JSON in the key of a page.
 *
 * @throws PositionExpired  another version of the code wrote it: read again from the start (retryable)
 */
export function parseStored<T>(position: z.ZodType<T>, text: string): T {
  try {
    return position.parse(JSON.parse(text));
  } catch {
    throw new PositionExpired('The stored position is of another version.');
  }
}
