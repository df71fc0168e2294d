import { expect, test } from 'vitest';
import { portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importLocks } = portfolioImports(domain);
const day = (n: number) => new Date(Date.UTC(2025, 0, n)).toISOString();
const history = (query: string, n = 1) => call(`/v1/portfolios/${wallet(n)}/positions/history?${query}`);
const range = `from=${day(1)}&to=${day(20)}`;

test('observations of the positions of a wallet, oldest first, each once over all pages', async () => {
  expect((await history(range)).status).toBe(404);
  await importLocks(
    ...[1, 2, 3].flatMap((n): [string, string, string, string, number][] => [
      [wallet(1), 'a', day(n), `${n}.000000000000000001`, 0],
      [wallet(1), 'b', day(n), `${n}`, 1_900_000_000],
    ]),
    [wallet(2), 'c', day(2), '1', 0],
    [wallet(1), 'a', day(20), '9', 0],
  );
  const { json } = await history(range);
  expect(json.coverage).toEqual({ since: day(1), until: day(20) });
  expect(json.snapshots[0]).toEqual({
    at: day(1),
    protocol: 'veTEST',
    chain: 'base',
    id: 'a',
    kind: 'lock',
    token: null,
    amount: '1.000000000000000001',
    valueUsd: null,
    unlockAt: null,
  });
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json: page } = await history(`${range}&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.snapshots.map((one: { at: string; id: string }) => `${one.at.slice(8, 10)}${one.id}`));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(['01a', '01b', '02a', '02b', '03a', '03b']);
});

test('a late observation shows at once', async () => {
  await history(range);
  await importLocks([wallet(1), 'b', day(10), '4', 0]);
  expect((await history(range)).json.snapshots.at(-1)).toMatchObject({ at: day(10), id: 'b', amount: '4' });
});

test.each([
  ['an inverted range', `from=${day(3)}&to=${day(2)}`, 'query.to', 'after from'],
  ['too many days', 'from=2020-03-01T00:00:00Z&to=2021-06-01T00:00:00Z', 'query.from', '400 days'],
])('%s is refused, with the limit', async (_, query, field, limit) => {
  const { status, json } = await history(query);
  expect([status, json.errors[0].field, json.errors[0].message]).toEqual([400, field, expect.stringContaining(limit)]);
});
