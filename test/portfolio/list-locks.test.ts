import { expect, test } from 'vitest';
import { portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importLocks } = portfolioImports(domain);
const locks = async (n: number, query = '') => (await call(`/v1/portfolios/${wallet(n)}/locks?${query}`)).json;
const end = 1_900_000_000;
const day = (n: number) => `2025-01-0${n}T00:00:00.000Z`;

test('locks with all their digits, largest first, each once over all pages', async () => {
  expect((await call(`/v1/portfolios/${wallet(1)}/locks`)).status).toBe(404);
  await importLocks(
    [wallet(1), '1', day(1), '0.000000000000000001', end],
    [wallet(1), '2', day(1), '100000000.123456789012345678', 0, '5.5'],
    [wallet(1), '3', day(2), '7', end],
    [wallet(1), '4', day(2), '7.0', end],
  );
  const { json } = await call(`/v1/portfolios/${wallet(1)}/locks`);
  expect(json.coverage).toEqual({ oldestObservedAt: day(1) });
  expect(json.locks[0]).toEqual({
    protocol: 'veTEST',
    chain: 'base',
    id: '2',
    kind: 'lock',
    token: null,
    amount: '100000000.123456789012345678',
    unlockAt: null,
    votingPower: '5.5',
    observedAt: day(1),
    block: null,
  });
  expect(json.locks.at(-1)).toMatchObject({
    id: '1',
    amount: '0.000000000000000001',
    unlockAt: '2030-03-17T17:46:40.000Z',
  });
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await locks(1, `limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    ids.push(...page.locks.map(({ id }: { id: string }) => id));
    cursor = page.nextCursor;
  }
  expect(ids).toEqual(['2', '4', '3', '1']);
});

test('a list that lacks a lock does not unlock it; only an observation does', async () => {
  await importLocks([wallet(2), '20', day(1), '5', end], [wallet(2), '21', day(1), '6', end]);
  await importLocks([wallet(2), '21', day(2), '6', end]);
  expect((await locks(2)).locks.map((one: Record<string, string>) => [one.id, one.amount, one.observedAt])).toEqual([
    ['21', '6', day(2)],
    ['20', '5', day(1)],
  ]);
  await importLocks([wallet(2), '20', day(3), '0', end]);
  expect((await locks(2)).locks.at(-1)).toMatchObject({ id: '20', amount: '0' });
});

test('a lock belongs to the owner of its latest observation, in whatever order they arrive', async () => {
  await importLocks([wallet(4), '40', day(2), '5', end]);
  await importLocks([wallet(3), '40', day(1), '5', end]);
  expect((await locks(4)).locks.length).toBe(1);
  expect((await call(`/v1/portfolios/${wallet(3)}/locks`)).status).toBe(404);
  await importLocks([wallet(3), '40', day(3), '5', end]);
  expect((await locks(4)).locks).toEqual([]);
  expect((await locks(3)).locks.length).toBe(1);
  // two owners in one file
  await importLocks([wallet(4), '40', day(5), '5', end], [wallet(3), '40', day(4), '5', end]);
  expect((await locks(4)).locks.length).toBe(1);
});

test('an older observation changes no lock, and a repeated one nothing', async () => {
  await importLocks([wallet(5), '50', day(2), '5', end]);
  expect(await importLocks([wallet(5), '50', day(1), '4', end])).toMatchObject({ rows_applied: 1 });
  expect((await locks(5)).locks[0]).toMatchObject({ amount: '5', observedAt: day(2) });
  const before = await domain.outboxSize();
  expect(await importLocks([wallet(5), '50', day(2), '5', end])).toMatchObject({ rows_applied: 0, rows_unchanged: 1 });
  expect(await domain.outboxSize()).toBe(before);
});
