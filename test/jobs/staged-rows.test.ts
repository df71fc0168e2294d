import fc from 'fast-check';
import sql from 'sql-template-tag';
import { expect, test } from 'vitest';
import type { CopyRow } from '../../shared/db/copy-binary.ts';
import { toJsonb } from '../../shared/db/json.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import { storable } from '../../shared/kernel/text.ts';
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

const probe = new TemporaryTable('probe', columns);

/** Stages rows and reads them back as text. */
const staged = (rows: readonly CopyRow<typeof columns>[]) =>
  inTransaction(async (tx) => {
    await probe.fill(tx, rows, (one) => one);
    const { rows: found } =
      await tx.query(sql`select small::text, whole::text, large::text, flag, words, encode(bytes, 'hex') as bytes,
      json::text, amount::text, (extract(epoch from at) * 1000000)::bigint::text as at from ${probe} order by position`);
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
  words: fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  bytes: fc.uint8Array(),
  json: fc.jsonValue({ stringUnit: 'binary' }).filter((value) => value !== null),
  amount: decimal,
  at: fc.bigInt({ min: -62_000_000_000_000_000n, max: 250_000_000_000_000_000n }),
});

test('any values are staged unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 20 }), async (rows) => {
      const found = await staged(rows);
      expect(
        found.map(({ json, ...rest }) => ({ ...rest, json: JSON.parse(json), amount: canonical(rest.amount) })),
      ).toEqual(
        rows.map((one) => ({
          small: String(one.small),
          whole: String(one.whole),
          large: String(one.large),
          flag: one.flag,
          words: storable(one.words),
          bytes: Buffer.from(one.bytes).toString('hex'),
          json: JSON.parse(toJsonb(one.json)),
          amount: canonical(one.amount),
          at: String(one.at),
        })),
      );
    }),
    { numRuns: 100 },
  );
});

test('decimals with exponents, dates, and nulls are staged', async () => {
  const nothing = Object.fromEntries(Object.keys(columns).map((name) => [name, null])) as CopyRow<typeof columns>;
  const found = await staged([
    nothing,
    { ...nothing, amount: '1e-18', at: new Date('1969-12-31T23:59:59.999Z') },
    { ...nothing, amount: '1.5e3', at: new Date('2021-02-20T21:00:00Z') },
    { ...nothing, amount: '0.00', at: new Date(0) },
  ]);
  expect(found.map(({ amount, at }) => [amount, at])).toEqual([
    [null, null],
    ['0.000000000000000001', '-1000'],
    ['1500', '1613854800000000'],
    ['0.00', '0'],
  ]);
});

test('a second fill replaces the rows, and the table has the declared columns', async () => {
  const numbers = new TemporaryTable('numbers', { n: 'integer', name: 'text' });
  const found = await inTransaction(async (tx) => {
    await numbers.fill(tx, [1, 2, 3], (n) => ({ n, name: null }));
    await numbers.fill(tx, [4], (n) => ({ n, name: 'four' }));
    return (await tx.query(sql`select * from ${numbers}`)).rows;
  });
  expect(found).toEqual([{ position: 1, n: 4, name: 'four' }]);
  expect([numbers.columns, numbers.columnsExcept('n')]).toEqual([['n', 'name'], ['name']]);
});

test('a row without a column, or with a misspelled one, does not compile', () => {
  const numbers = new TemporaryTable('numbers', { n: 'integer', name: 'text' });
  const neverRun = () =>
    inTransaction(async (tx) => {
      // @ts-expect-error name is missing
      await numbers.fill(tx, [1], (n) => ({ n }));
      // @ts-expect-error name is misspelled
      await numbers.fill(tx, [1], (n) => ({ n, nmae: 'one' }));
      // @ts-expect-error n is an integer
      await numbers.fill(tx, ['1'], (n) => ({ n, name: 'one' }));
    });
  expect(neverRun).toBeTypeOf('function');
});

/** Removes the sign of a negative zero. */
const canonical = (text: string) => (/^-0*(\.0*)?$/.test(text) ? text.slice(1) : text);
