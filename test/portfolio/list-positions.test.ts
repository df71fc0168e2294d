import { expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { portfolioImports, wallet } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importLocks } = portfolioImports(domain);
const end = 1_900_000_000;
const day = (n: number) => `2025-01-0${n}T00:00:00.000Z`;
const positions = async (query = '') => (await call(`/v1/portfolios/${wallet(1)}/positions?${query}`)).json;

test('positions as last observed, with the coverage', async () => {
  expect((await call(`/v1/portfolios/${wallet(1)}/positions`)).status).toBe(404);
  await importLocks(
    [wallet(1), '1', day(3), '3', end],
    [wallet(1), '1', day(1), '1', end],
    [wallet(1), '2', day(2), '2', 0],
    [wallet(2), '3', day(2), '2', 0],
  );
  const names = { protocol: 'veTEST', chain: 'base', kind: 'lock', token: null, valueUsd: null };
  const { json } = await call(`/v1/portfolios/${wallet(1)}/positions`);
  expect(json).toEqual({
    wallet: wallet(1),
    coverage: { since: day(1), oldestObservedAt: day(2) },
    positions: [
      { ...names, id: '1', amount: '3', unlockAt: '2030-03-17T17:46:40.000Z', observedAt: day(3) },
      { ...names, id: '2', amount: '2', unlockAt: null, observedAt: day(2) },
    ],
    nextCursor: null,
  });
});

test('a position without an observation has no amount, and pages have each position once', async () => {
  await commit((tx) =>
    tx.query(`insert into portfolio.positions (protocol, chain, external_id, kind, wallet_id)
      select 'dex', 'base', 'pool', 'liquidity', id from portfolio.wallets where address = '\\x${wallet(1).slice(2)}'`),
  );
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await positions(`limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    ids.push(...page.positions.map(({ id, amount }: { id: string; amount: string | null }) => `${id}: ${amount}`));
    cursor = page.nextCursor;
  }
  expect(ids).toEqual(['1: 3', '2: 2', 'pool: null']);
});

test('a new observation shows at once', async () => {
  await importLocks([wallet(1), '2', day(4), '2.5', 0]);
  expect((await positions()).positions[1]).toMatchObject({ amount: '2.5', observedAt: day(4) });
});
