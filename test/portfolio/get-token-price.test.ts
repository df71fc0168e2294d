import { expect, test } from 'vitest';
import { createTestDomain } from '../support/test-domain.ts';

const { call, importFile } = await createTestDomain('portfolio');
const importPrices = (...lines: string[]) =>
  importFile('prices', 'prices.csv', ['symbol,recorded_at,price', ...lines].join('\n'));

test('the latest price is shown, and a later one at once', async () => {
  expect((await call('/v1/tokens/uni/price')).status).toBe(404);
  await importPrices('UNI,2026-01-02T00:00:00Z,5.50');
  const { json, headers } = await call('/v1/tokens/UNI/price');
  expect(json).toEqual({
    id: 'uni',
    symbol: 'UNI',
    priceUsd: '5.5',
    recordedAt: '2026-01-02T00:00:00.000Z',
    source: 'import',
    disputedSince: null,
  });
  expect(headers['x-cache']).toBe('miss');
  await importPrices('UNI,2026-01-03T00:00:00Z,6', 'UNI,2026-01-01T00:00:00Z,4');
  expect((await call('/v1/tokens/uni/price')).json.priceUsd).toBe('6');
});

test('a name that is no token is rejected', async () => {
  expect((await call('/v1/tokens/a%20b/price')).status).toBe(400);
});
