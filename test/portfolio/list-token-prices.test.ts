import { beforeAll, expect, test } from 'vitest';
import { createTestDomain } from '../support/test-domain.ts';

const { call, importFile } = await createTestDomain('portfolio');
const header = 'symbol,recorded_at,price,open,high,low,volume';
const importPrices = (...lines: string[]) => importFile('prices', 'prices.csv', [header, ...lines].join('\n'));

beforeAll(async () => {
  await importPrices(
    'UNI,2025-03-01T10:00:00Z,5,4,7,3,10',
    'UNI,2025-03-01T10:30:00.250Z,6.50,,,,',
    'UNI,2025-03-01T11:00:00Z,2,,,,5',
    'UNI,2025-03-03T00:00:00Z,1,,,,',
    'ETH,2025-03-01T10:00:00Z,2000,,,,',
  );
});

const range = 'from=2025-03-01T00:00:00Z&to=2025-03-03T00:00:00Z';

test('prices are shown as recorded, page by page', async () => {
  const { json } = await call(`/v1/tokens/UNI/prices?${range}&limit=2`);
  expect(json).toMatchObject({
    id: 'uni',
    interval: 'raw',
    coverage: { since: '2025-03-01T10:00:00.000Z', until: '2025-03-03T00:00:00.000Z' },
    prices: [
      {
        at: '2025-03-01T10:00:00.000Z',
        openUsd: '4',
        highUsd: '7',
        lowUsd: '3',
        priceUsd: '5',
        volumeUsd: '10',
        count: 1,
      },
      {
        at: '2025-03-01T10:30:00.250Z',
        openUsd: null,
        highUsd: null,
        lowUsd: null,
        priceUsd: '6.5',
        volumeUsd: null,
        count: 1,
      },
    ],
  });
  const next = (await call(`/v1/tokens/UNI/prices?${range}&limit=2&cursor=${json.nextCursor}`)).json;
  expect([next.prices.map(({ priceUsd }: { priceUsd: string }) => priceUsd), next.nextCursor]).toEqual([['2'], null]);
});

test('candles have the open of the first price, the highest, the lowest, the last, and the volume that is known', async () => {
  const days = (await call(`/v1/tokens/uni/prices?${range}&interval=1d`)).json;
  expect(days.prices).toEqual([
    {
      at: '2025-03-01T00:00:00.000Z',
      openUsd: '4',
      highUsd: '7',
      lowUsd: '2',
      priceUsd: '2',
      volumeUsd: '15',
      count: 3,
    },
  ]);
  const hours = (await call(`/v1/tokens/uni/prices?${range}&interval=1h&limit=1`)).json;
  expect(hours.prices).toMatchObject([{ at: '2025-03-01T10:00:00.000Z', openUsd: '4', priceUsd: '6.5', count: 2 }]);
  const next = (await call(`/v1/tokens/uni/prices?${range}&interval=1h&limit=1&cursor=${hours.nextCursor}`)).json;
  expect(next.prices).toMatchObject([{ at: '2025-03-01T11:00:00.000Z', openUsd: '2', count: 1 }]);
  expect(next.nextCursor).toBeNull();
});

test('an earlier price extends the coverage at once', async () => {
  await importPrices('UNI,2019-01-01T00:00:00Z,3,,,,');
  const { json } = await call(`/v1/tokens/uni/prices?${range}`);
  expect(json.coverage.since).toBe('2019-01-01T00:00:00.000Z');
});

test.each([
  ['an inverted range', 'from=2025-03-02T00:00:00Z&to=2025-03-01T00:00:00Z', /inverted/],
  ['an empty range', 'from=2025-03-02T00:00:00Z&to=2025-03-02T00:00:00Z', /inverted/],
  ['a range in the future', 'from=2100-01-01T00:00:00Z', /future/],
  ['a whole range in the future', 'from=2100-01-01T00:00:00Z&to=2100-02-01T00:00:00Z', /future/],
  ['too many candles', 'from=2013-01-01T00:00:00Z&to=2021-01-01T00:00:00Z&interval=1h', /limit is 5000/],
  ['too large a page', 'limit=5001', /5000/],
  ['a time that does not exist', 'from=2025-02-30T00:00:00Z', /from/],
])('%s is rejected, and the reason named', async (_, query, reason) => {
  const { status, text } = await call(`/v1/tokens/uni/prices?${query}`);
  expect([status, text]).toEqual([400, expect.stringMatching(reason)]);
});

test('a token that is not known is not found, and one without prices in the range has none', async () => {
  expect((await call(`/v1/tokens/none/prices?${range}`)).status).toBe(404);
  expect((await call('/v1/tokens/uni/prices?from=2024-01-01T00:00:00Z&to=2024-02-01T00:00:00Z')).json.prices).toEqual(
    [],
  );
});
