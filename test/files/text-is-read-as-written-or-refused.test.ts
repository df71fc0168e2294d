import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunked, fieldsOf, recordsOf } from '../support/records.ts';

const mark = Buffer.from([0xef, 0xbb, 0xbf]);
const field = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !/[\0\r\n]/.test(text));
const row = fc.record({ a: field, b: field });
const end = fc.constantFrom('\n', '\r\n', '\r');
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

test('records are the same wherever the bytes are cut, with any line ends, with and without a byte order mark', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 20 }),
      end,
      fc.boolean(),
      fc.integer({ min: 1, max: 40 }),
      async (rows, newline, marked, length) => {
        const csv = ['a,b', ...rows.map(({ a, b }) => `${quoted(a)},${quoted(b)}`)].join(newline);
        const ndjson = rows.map((one) => JSON.stringify(one)).join(newline);
        for (const [name, text] of [
          ['x.csv', csv],
          ['x.ndjson', ndjson],
        ] as const) {
          const bytes = Buffer.concat([marked ? mark : Buffer.alloc(0), Buffer.from(text)]);
          expect(await fieldsOf(name, chunked(bytes, length))).toEqual(rows);
          expect(await fieldsOf(`${name}.GZ`, chunked(gzipSync(bytes), length))).toEqual(rows);
          if (name === 'x.ndjson')
            for (const [i, { position }] of (await recordsOf(name, chunked(bytes, length))).entries())
              expect(position).toBe(i + 1);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('gzip of several members is read to its end', async () => {
  const packed = Buffer.concat(['a,b\n1,', '2\n3,', '4\n'].map((part) => gzipSync(part)));
  expect(await fieldsOf('x.csv.gz', packed)).toEqual([
    { a: '1', b: '2' },
    { a: '3', b: '4' },
  ]);
});

test('line ends of different kinds in one file each end a line', async () => {
  expect(await fieldsOf('x.csv', 'a,b\r\n1,2\n3,4\r"5","6"\r\n')).toEqual([
    { a: '1', b: '2' },
    { a: '3', b: '4' },
    { a: '5', b: '6' },
  ]);
});

test('bytes that are not UTF-8 are refused with their line, wherever they are cut', async () => {
  const latin1 = Buffer.from('a,b\r\n1,2\r\n3,Zürich\r\n5,6\r\n', 'latin1');
  const json = Buffer.from('{"a":1}\n{"a":"x"}\n{"a":"Zürich"}\n', 'latin1');
  const cut = Buffer.from('a,b\n1,2\n3,€').subarray(0, -1);
  for (let length = 1; length < 30; length++)
    for (const [name, bytes] of [
      ['x.csv', latin1],
      ['x.ndjson', json],
      ['x.csv', cut],
    ] as const)
      await expect(fieldsOf(name, chunked(bytes, length))).rejects.toMatchObject({
        code: 'invalid_input',
        message: 'Line 3 of the file is not UTF-8. Save the file as UTF-8.',
      });
});

test('UTF-16 is refused, with and without a byte order mark', async () => {
  for (const text of ['\ufeffa,b\n1,2\n', 'a,b\n1,2\n']) {
    const little = Buffer.from(text, 'utf16le');
    for (const bytes of [little, Buffer.from(little).swap16()])
      for (const name of ['x.csv', 'x.ndjson'])
        await expect(fieldsOf(name, bytes)).rejects.toMatchObject({ message: 'The file is UTF-16. Save it as UTF-8.' });
  }
});

test.each([
  ['a quote within a field', 'a,b\n1,2\n3,x"y\n', 'Line 3 of the file has a stray quote.'],
  ['text after a closing quote', 'a,b\n1,2\n3,"x"y\n', 'Line 3 of the file has a stray quote.'],
  ['a quote that is never closed', 'a,b\n1,2\n3,"x\n4,5\n', 'The file ends within quotes that open after line 2.'],
  ['a column without a name', 'a,,b\n1,2,3\n', 'Column 2 of the file has no valid name.'],
  ['two columns of one name', 'a, a\n1,2\n', 'The file has the column a twice.'],
])('CSV with %s is refused with the place', async (_, text, message) => {
  await expect(fieldsOf('x.csv', text)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining(message),
  });
});

test('a field that the database cannot store rejects its own row', async () => {
  const nul = 'a contains a NUL character, which cannot be stored';
  expect(await fieldsOf('x.csv', 'a,b\n1,2\nx\0y,3\n4,5\n')).toEqual([{ a: '1', b: '2' }, nul, { a: '4', b: '5' }]);
  expect(
    await fieldsOf('x.ndjson', '{"a":"1"}\n{"a":"x\\u0000y"}\n{"a":"\\ud800"}\n{"a\\u0000":"1"}\n{"a":"2"}'),
  ).toEqual([
    { a: '1' },
    nul,
    'a contains half of a surrogate pair, which cannot be stored',
    'a\0 contains a NUL character, which cannot be stored',
    { a: '2' },
  ]);
});

test('a position is the line in the file, also after blank lines', async () => {
  const positions = async (name: string, text: string) => (await recordsOf(name, text)).map(({ position }) => position);
  expect(await positions('x.csv', 'a,b\n\n1,2\r\n\r\n3,4\n')).toEqual([3, 5]);
  expect(await positions('x.ndjson', '{"a":1}\n\n{"a":2}\r\n\r\nx')).toEqual([1, 3, 5]);
});
