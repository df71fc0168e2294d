import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CopyValue } from '../../shared/db/copy-binary.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase();
const columns = {
  small: 'smallint',
  whole: 'integer',
  large: 'bigint',
  flag: 'boolean',
  words: 'text',
  bytes: 'bytea',
  json: 'jsonb',
  amount: 'numeric',
  at: 'timestamptz',
} as const;

/** What Postgres has of the staged rows, as texts. */
const staged = (rows: readonly CopyValue[][]) =>
  inTransaction(async (tx) => {
    await stageRows(tx, 'probe', columns, rows);
    const { rows: found } =
      await tx.query(`select small::text, whole::text, large::text, flag, words, encode(bytes, 'hex') as bytes,
      json::text, amount::text, (extract(epoch from at) * 1000000)::bigint::text as at from pg_temp.probe order by position`);
    return found;
  });

const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat({ max: 20 }))
  .map(([digits, scale]) => {
    const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
    const sign = digits < 0n ? '-' : '';
    return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
  });
const row = fc.record({
  small: fc.integer({ min: -32_768, max: 32_767 }),
  whole: fc.integer(),
  large: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.boolean(),
  words: fc.string({ unit: 'binary' }),
  bytes: fc.uint8Array(),
  json: fc.jsonValue().map((value) => JSON.stringify(value).replaceAll('\\u0000', '')),
  amount: decimal,
  at: fc.bigInt({ min: -62_000_000_000_000_000n, max: 250_000_000_000_000_000n }),
});

test('what is staged is what was given, whatever it is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 20 }), async (rows) => {
      const found = await staged(rows.map((one) => Object.values(one)));
      expect(
        found.map(({ json, ...rest }) => ({ ...rest, json: JSON.parse(json), amount: canonical(rest.amount) })),
      ).toEqual(
        rows.map((one) => ({
          small: String(one.small),
          whole: String(one.whole),
          large: String(one.large),
          flag: one.flag,
          words: one.words.replaceAll('\0', ''),
          bytes: Buffer.from(one.bytes).toString('hex'),
          json: JSON.parse(one.json),
          amount: canonical(one.amount),
          at: String(one.at),
        })),
      );
    }),
    { numRuns: 100 },
  );
});

test('decimals with an exponent, dates and nothing at all', async () => {
  const nothing = Array.from({ length: 9 }, () => null);
  const of = (amount: string, at: Date) => [...nothing.slice(0, 7), amount, at];
  const found = await staged([
    nothing,
    of('1e-18', new Date('1969-12-31T23:59:59.999Z')),
    of('1.5e3', new Date('2021-02-20T21:00:00Z')),
    of('0.00', new Date(0)),
  ]);
  expect(found.map(({ amount, at }) => [amount, at])).toEqual([
    [null, null],
    ['0.000000000000000001', '-1000'],
    ['1500', '1613854800000000'],
    ['0.00', '0'],
  ]);
});

/** Without a sign before zero. */
const canonical = (text: string) => (/^-0*(\.0*)?$/.test(text) ? text.slice(1) : text);
