import { expect, test } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { portfolioImports } from '../support/portfolios.ts';
import { createTestDomain } from '../support/test-domain.ts';

const domain = await createTestDomain('portfolio');
const { call } = domain;
const { importPrices } = portfolioImports(domain);
const computedAt = '2026-01-01T00:00:00.000Z';
const correlate = (timeframe: string, a: string, b: string, correlation: number) =>
  commit((tx) =>
    tx.query(
      `insert into portfolio.asset_correlations
       select $1, least(a.id, b.id), greatest(a.id, b.id), $4, 29, $5
       from portfolio.tokens a, portfolio.tokens b where a.key = $2 and b.key = $3`,
      [timeframe, a, b, correlation, computedAt],
    ),
  );

test('pairs of one timeframe, strongest first, each once over all pages, and new ones at once', async () => {
  for (const symbol of ['A', 'B', 'C', 'D']) await importPrices([symbol, computedAt, 1]);
  expect((await call('/v1/risk/correlations')).json).toEqual({ timeframe: '30d', correlations: [], nextCursor: null });
  await correlate('30d', 'a', 'b', 0.5);
  await correlate('30d', 'a', 'c', -0.87654321);
  await correlate('30d', 'b', 'c', 0.5);
  await correlate('90d', 'a', 'd', 1);
  const { json } = await call('/v1/risk/correlations');
  expect(json.correlations).toEqual([
    { tokens: ['a', 'c'], correlation: '-0.876543', days: 29, computedAt },
    { tokens: ['a', 'b'], correlation: '0.5', days: 29, computedAt },
    { tokens: ['b', 'c'], correlation: '0.5', days: 29, computedAt },
  ]);
  const pairs: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json: page } = await call(`/v1/risk/correlations?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    pairs.push(...page.correlations.map(({ tokens }: { tokens: string[] }) => tokens.join('')));
    cursor = page.nextCursor;
  }
  expect(pairs).toEqual(['ac', 'ab', 'bc']);
  expect((await call('/v1/risk/correlations?timeframe=90d')).json.correlations[0]).toMatchObject({ correlation: '1' });
});

test('another timeframe is refused', async () => {
  expect((await call('/v1/risk/correlations?timeframe=7d')).status).toBe(400);
});
