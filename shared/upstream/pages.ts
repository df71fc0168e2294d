import type { Batch } from '../jobs/sync.ts';

/** One page from an upstream: its valid rows, the rejected ones with reasons, and the key of the next page. */
export interface Page<Row> {
  rows: Row[];
  rejected: { reason: string; row: unknown }[];
  next: string | null;
}

interface Position {
  key: string | null;
  rows: number;
}

/** The pages of an upstream as batches of a sync, starting at a position. Fetches one page ahead. */
export async function* pagesOf<Row>(
  position: unknown,
  fetchPage: (key: string | null) => Promise<Page<Row>>,
): AsyncIterable<Batch<Row>> {
  const start = (position ?? { key: null, rows: 0 }) as Position;
  let count = start.rows;
  let fetching: Promise<Page<Row>> | undefined = fetchPage(start.key);
  while (fetching) {
    const page: Page<Row> = await fetching;
    fetching = page.next === null ? undefined : fetchPage(page.next);
    // an error in the page fetched ahead surfaces when that page is awaited
    fetching?.catch(() => {});
    const rejected = page.rejected.map(({ reason, row }, i) => ({
      position: count + page.rows.length + i + 1,
      reason,
      row,
    }));
    count += page.rows.length + rejected.length;
    yield { rows: page.rows, rejected, next: page.next === null ? null : { key: page.next, rows: count } };
  }
}
