import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Page, pagesOf } from '../../shared/upstream/pages.ts';

const page = (rows: number[], rejected: number[], next: string | null): Page<number> => ({
  rows,
  rejected: rejected.map((row) => ({ reason: 'is odd', row })),
  next,
});

test('a run that resumes goes on with the page after its last', async () => {
  const pages = new Map([
    [null, page([2, 4], [1], 'b')],
    ['b', page([6], [3, 5], 'c')],
    ['c', page([8], [7], null)],
  ]);
  const fetchPage = async (key: string | null) => pages.get(key)!;
  const all = await Array.fromAsync(pagesOf(null, fetchPage));
  expect(all.map(({ rows, rejected }) => [rows, rejected.map(({ row }) => row)])).toEqual([
    [[2, 4], [1]],
    [[6], [3, 5]],
    [[8], [7]],
  ]);
  const resumed = await Array.fromAsync(pagesOf(all[0]!.next, fetchPage));
  expect(resumed).toEqual(all.slice(1));
});

test('a page that fails while the one before is applied fails the run only afterwards', async () => {
  const applied: number[] = [];
  const run = async () => {
    for await (const { rows } of pagesOf(null, async (key) => {
      if (key !== null) throw new Error('The next page failed.');
      return page([1], [], 'b');
    })) {
      // by now the request for the next page has failed
      await setImmediate();
      applied.push(...rows);
    }
  };
  await expect(run()).rejects.toThrow('The next page failed.');
  expect(applied).toEqual([1]);
});

test('a page that names itself as the next one fails the run', async () => {
  const endless = Array.fromAsync(pagesOf(null, async () => page([1], [], 'same')));
  await expect(endless).rejects.toMatchObject({ code: 'upstream' });
});
