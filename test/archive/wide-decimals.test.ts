/** Decimals keep their digits in the archive, also where the packs do not tell how wide a column has to be. */
import { expect, test } from 'vitest';
import { createArchiveWorld } from '../support/archive.ts';

const world = await createArchiveWorld();
const { archive, expected, files, pack, passGrace, query, record, shown } = world;

test('a value that is wider than its column is written into a wider one', async () => {
  // more than 18 digits, which the unit of its pack does not show; and more rows after it than one read of the COPY has
  const wide: [string, string, string] = ['btc', '2019-01-01T00:00:00.000Z', '1234567890123.123456'];
  const others = Array.from({ length: 20_000 }, (_, i): [string, string, string] => [
    'btc',
    new Date(Date.UTC(2019, 0, 2) + i * 60_000).toISOString(),
    `${i}.5`,
  ]);
  await record(wide, ...others);
  await pack('2019-01');
  await archive();
  await passGrace();
  await archive();
  expect((await files()).length).toBe(1);
  expect(await query('select from portfolio.price_snapshots_packed')).toEqual([]);
  // as many as a page shows
  const page = await shown('btc');
  expect(page).toEqual(expected('btc').slice(0, page.length));
});
