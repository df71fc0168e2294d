import fc from 'fast-check';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { instantMicros } from '../../shared/kernel/instant.ts';
import { fieldsOf } from '../support/records.ts';

type Element = Omit<SchemaElement, 'name'>;

function fileOf(data: readonly unknown[], element: Element, ...below: SchemaElement[]): Buffer {
  const schema = [{ name: 'root', num_children: 1 }, { name: 'v', ...element }, ...below];
  return Buffer.from(
    parquetWriteBuffer({
      schema: schema as never,
      columnData: [{ name: 'v', data: data as never }],
      codec: 'UNCOMPRESSED',
    }),
  );
}

async function valuesOf(file: Buffer): Promise<unknown[]> {
  return (await fieldsOf('x.parquet', file)).map((fields) => (fields as { v?: string }).v);
}

const refused = (message: string) => ({ code: 'invalid_input', message: expect.stringContaining(message) });
const decimal = (type: string, precision: number, scale: number, type_length?: number): Element =>
  ({
    type,
    converted_type: 'DECIMAL',
    precision,
    scale,
    repetition_type: 'OPTIONAL',
    ...(type_length ? { type_length } : {}),
  }) as Element;

/** The text of an unscaled decimal, by another way than the code's. */
const scaled = (unscaled: bigint, scale: number) => {
  const unit = 10n ** BigInt(scale);
  const [whole, rest] = [unscaled / unit, unscaled % unit].map((part) => (part < 0n ? -part : part)) as [
    bigint,
    bigint,
  ];
  return `${unscaled < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${(unit + rest).toString().slice(1)}`}`;
};

test.each([
  ['INT32', 9, undefined],
  ['INT64', 18, undefined],
  ['FIXED_LEN_BYTE_ARRAY', 38, 16],
  ['BYTE_ARRAY', 38, undefined],
] as const)('decimals stored as %s keep all their digits', async (type, precision, length) => {
  const limit = 10n ** BigInt(precision) - 1n;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: precision }),
      fc.array(fc.option(fc.bigInt({ min: -limit, max: limit })), { minLength: 1, maxLength: 20 }),
      async (scale, data) => {
        const expected = data.map((value) => (value === null ? undefined : scaled(value, scale)));
        expect(await valuesOf(fileOf(data, decimal(type, precision, scale, length)))).toEqual(expected);
      },
    ),
    { numRuns: 50 },
  );
});

test('times keep the precision of their unit, before and after 1970', async () => {
  const nanos = [1_600_000_000_123_456_789n, -1n, 0n, -62_135_596_800_000_000_000n / 10n];
  for (const [unit, divisor, digits] of [
    ['MILLIS', 1_000_000n, 3],
    ['MICROS', 1_000n, 6],
    ['NANOS', 1n, 9],
  ] as const) {
    const data = nanos.map((value) => (value - (((value % divisor) + divisor) % divisor)) / divisor);
    const element = {
      type: 'INT64',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit },
      repetition_type: 'REQUIRED',
    };
    const texts = (await valuesOf(fileOf(data, element as Element))) as string[];
    for (const text of texts)
      expect(text).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{${digits}}Z$`));
    const micros = data.map((value) => (value * divisor - ((((value * divisor) % 1_000n) + 1_000n) % 1_000n)) / 1_000n);
    expect(texts.map((text) => instantMicros.parse(text))).toEqual(micros);
  }
});

test('INT96 and DATE are times', async () => {
  const int96 = (day: number, nanos: bigint) => {
    const bytes = Buffer.alloc(12);
    bytes.writeBigInt64LE(nanos);
    bytes.writeInt32LE(2_440_588 + day, 8);
    return new Uint8Array(bytes);
  };
  const fixed = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 12, repetition_type: 'REQUIRED' };
  const file = fileOf([int96(1, 5n), int96(-1, 86_399_999_999_999n)], fixed as Element);
  // the writer has no INT96: type 7 (zigzag 14) becomes type 3 (6) in the schema and the column
  const footer = file.length - 8 - file.readUInt32LE(file.length - 8);
  for (let at = file.indexOf('\x15\x0e', footer, 'latin1'); at !== -1; at = file.indexOf('\x15\x0e', at + 1, 'latin1'))
    file[at + 1] = 6;
  expect(await valuesOf(file)).toEqual(['1970-01-02T00:00:00.000000005Z', '1969-12-31T23:59:59.999999999Z']);
  const date = { type: 'INT32', converted_type: 'DATE', repetition_type: 'REQUIRED' };
  expect(await valuesOf(fileOf([-1, 18_000], date as Element))).toEqual(['1969-12-31', '2019-04-14']);
});

test('a time beyond the calendar is no time, and costs no other row', async () => {
  const element = { type: 'INT64', converted_type: 'TIMESTAMP_MICROS', repetition_type: 'REQUIRED' };
  const texts = (await valuesOf(fileOf([2n ** 63n - 1n, 0n], element as Element))) as string[];
  expect(texts.map((text) => instantMicros.safeParse(text).data)).toEqual([undefined, 0n]);
});

test('whole numbers, floats, flags, and bytes keep their value', async () => {
  const of = (type: string, data: unknown[], more = {}) =>
    valuesOf(fileOf(data, { type, repetition_type: 'REQUIRED', ...more } as Element));
  expect(await of('INT64', [-(2n ** 63n), 2n ** 63n - 1n])).toEqual(['-9223372036854775808', '9223372036854775807']);
  expect(await of('INT64', [2n ** 64n - 1n], { converted_type: 'UINT_64' })).toEqual(['18446744073709551615']);
  expect(await of('FLOAT', [0.1, 16_777_216, 1.5])).toEqual(['0.1', '16777216', '1.5']);
  expect(await of('DOUBLE', [0.1, 1e21])).toEqual(['0.1', '1e+21']);
  expect(await of('BOOLEAN', [true, false])).toEqual(['true', 'false']);
  expect(await of('FIXED_LEN_BYTE_ARRAY', [Uint8Array.of(1, 255)], { type_length: 2 })).toEqual(['0x01ff']);
  expect(await of('BYTE_ARRAY', [Buffer.from('größe')])).toEqual(['größe']);
});

const list: [Element, ...SchemaElement[]] = [
  { converted_type: 'LIST', num_children: 1, repetition_type: 'OPTIONAL' },
  { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
  { name: 'element', type: 'INT64', repetition_type: 'OPTIONAL' },
];

test('lists and structs become JSON; their whole numbers of 64 bits and decimals become text', async () => {
  expect(await valuesOf(fileOf([[1n, 2n ** 62n], null, [null]], ...list))).toEqual([
    '["1","4611686018427387904"]',
    undefined,
    '[null]',
  ]);
  const struct = fileOf(
    [{ n: 1n, d: 12_345n }],
    { num_children: 2, repetition_type: 'OPTIONAL' },
    { name: 'n', type: 'INT64', repetition_type: 'REQUIRED' },
    { name: 'd', ...decimal('INT64', 18, 2) } as SchemaElement,
  );
  expect(await valuesOf(struct)).toEqual(['{"n":"1","d":"123.45"}']);
});

test.each([
  ['TIME_MICROS', { type: 'INT64', converted_type: 'TIME_MICROS', repetition_type: 'REQUIRED' }, [1n]],
  ['BSON', { type: 'BYTE_ARRAY', converted_type: 'BSON', repetition_type: 'REQUIRED' }, [Uint8Array.of(1)]],
  [
    'INTERVAL',
    { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 12, converted_type: 'INTERVAL', repetition_type: 'REQUIRED' },
    [new Uint8Array(12)],
  ],
])('a column of the type %s is refused by name', async (type, element, data) => {
  await expect(valuesOf(fileOf(data, element as Element))).rejects.toMatchObject(
    refused(`The column v has the Parquet type ${type}.`),
  );
});

test('text that is not UTF-8 is refused', async () => {
  const element = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' };
  await expect(valuesOf(fileOf([Uint8Array.of(0xff)], element as Element))).rejects.toMatchObject(
    refused('Row group 1'),
  );
});

test('an encrypted file is refused as such', async () => {
  const file = fileOf([1n], { type: 'INT64', repetition_type: 'REQUIRED' } as Element);
  file.write('PARE', file.length - 4);
  await expect(valuesOf(file)).rejects.toMatchObject(refused('encrypted'));
});

test('a file that is cut or damaged anywhere is refused as the file’s fault, or read', async () => {
  const file = Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'a', data: Array.from({ length: 40 }, (_, i) => `text ${i % 7}`), type: 'STRING' },
        { name: 'b', data: Array.from({ length: 40 }, (_, i) => BigInt(i)), type: 'INT64' },
      ],
    }),
  );
  const outcome = (bytes: Buffer) =>
    fieldsOf('x.parquet', bytes).then(
      () => 'read',
      (error: { code?: string }) => error.code ?? error,
    );
  for (let length = 0; length < file.length; length++)
    expect(await outcome(file.subarray(0, length))).toBe('invalid_input');
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 }), async (at, byte) => {
      const damaged = Buffer.from(file);
      damaged[at] = byte;
      expect(['read', 'invalid_input']).toContain(await outcome(damaged));
    }),
    { numRuns: 1_000 },
  );
});
