import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parquetMetadata } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { sourceOf } from '../../shared/files/source.ts';
import { fieldsOf, recordsOf } from '../support/records.ts';

const mebibyte = 1024 * 1024;
const refusal = (message: string) => ({ code: 'invalid_input', message: expect.stringContaining(message) });
const script = fileURLToPath(new URL('../support/read-huge-file.ts', import.meta.url));

test.each(['quotes', 'separators', 'line', 'brackets'])(
  'a huge record (%s) in a small gzip takes tens of megabytes',
  async (kind) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, kind]);
    expect(JSON.parse(stdout)).toEqual({ outcome: 'refused', grownMb: expect.any(Number) });
    expect(JSON.parse(stdout).grownMb).toBeLessThan(100);
  },
  60_000,
);

describe('text', () => {
  test('a line of NDJSON that is too long is rejected alone', async () => {
    const line = (length: number) => `{"a":"${'é'.repeat(length / 2 - 4)}"}`;
    const text = ['{"a":"1"}', line(5 * mebibyte), '{"a":"2"}', line(mebibyte + 2), '{"a":"3"}'].join('\n');
    const tooLong = 'is longer than 1048576 bytes. Split it';
    expect(await fieldsOf('x.ndjson', text)).toEqual([{ a: '1' }, tooLong, { a: '2' }, tooLong, { a: '3' }]);
  });

  test('a field that is too long, too many fields, and deep nesting reject their rows', async () => {
    const columns = Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`c${i}`, '1']));
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    const lines = [
      JSON.stringify({ a: 'x'.repeat(262_145) }),
      JSON.stringify(columns),
      nested(33),
      nested(100_000),
      nested(32),
    ];
    const found = await fieldsOf('x.ndjson', lines.join('\n'));
    expect(found.slice(0, 4)).toEqual([
      'a has more than 262144 characters',
      'has more than 1000 columns',
      'is nested deeper than 32 levels',
      'is nested deeper than 32 levels',
    ]);
    expect(found[4]).toEqual({ a: expect.stringContaining('{"a":') });
  });

  test('CSV with too many columns, or a record that is too long, is refused with the limit', async () => {
    await expect(fieldsOf('x.csv', 'a,'.repeat(1_001))).rejects.toMatchObject(refusal('The limit is 1000'));
    const long = `a,b\n1,2\n3,"${'x\n'.repeat(mebibyte)}"\n`;
    await expect(fieldsOf('x.csv', long)).rejects.toMatchObject(
      refusal('The record after line 2 is longer than 1048576 bytes'),
    );
  });

  test('a rejected row is listed with its fields cut', async () => {
    const [one] = await recordsOf('x.csv', `a,b\n${'x'.repeat(100_000)}\n`);
    expect(one).toMatchObject({ raw: [`${'x'.repeat(1_000)}…`] });
  });

  test('gzip that unpacks to more than 200 times its size is refused', async () => {
    const lines = gzipSync(`${JSON.stringify({ a: 'x'.repeat(100_000) })}\n`.repeat(1_000), { level: 9 });
    await expect(fieldsOf('x.ndjson.gz', lines)).rejects.toMatchObject(refusal('more than 200 times its size'));
  });
});

describe('Parquet', () => {
  const file = (rows: number, options = {}) =>
    Buffer.from(
      parquetWriteBuffer({
        columnData: [{ name: 'a', data: Array.from({ length: rows }, () => 'x'), type: 'STRING' }],
        ...options,
      }),
    );

  test('pages of too many values are refused before they are unpacked, however well they are packed', async () => {
    const bytes = file(6_000_001, { rowGroupSize: 6_000_001, pageSize: 2 ** 30 });
    const { source, read } = recorded(bytes);
    await expect(fieldsOf('x.parquet', source)).rejects.toMatchObject(
      refusal(
        'Row group 1 of the Parquet file exceeds the limit of 6000000 values in its largest pages. Write the file with fewer rows in a group.',
      ),
    );
    expect(read.length).toBe(3);
  }, 60_000);

  test('a file is read by ranges: the footer, and one range for each row group', async () => {
    const bytes = file(5_000, { rowGroupSize: 1_000, codec: 'UNCOMPRESSED' });
    const { source, read } = recorded(bytes);
    expect((await fieldsOf('x.parquet', source)).length).toBe(5_000);
    expect(read.length).toBe(7);
  });

  test('a footer that claims more than its bytes hold is refused', async () => {
    const bytes = file(10);
    const length = bytes.readUInt32LE(bytes.length - 8);
    // a list of 2^27 lists, in a footer of a few bytes
    const bomb = Buffer.from([0x29, 0xf9, 0xff, 0xff, 0xff, 0x3f, 0xf9, 0xff, 0xff, 0xff, 0x3f, 0x00]);
    const claims = Buffer.concat([
      bytes.subarray(0, -8 - length),
      bomb,
      Buffer.from([bomb.length, 0, 0, 0]),
      Buffer.from('PAR1'),
    ]);
    await expect(fieldsOf('x.parquet', claims)).rejects.toMatchObject(refusal('not Parquet'));
    const long = Buffer.concat([Buffer.alloc(20 * mebibyte), Buffer.from([0, 0, 0, 1]), Buffer.from('PAR1')]);
    long.writeUInt32LE(17 * mebibyte, long.length - 8);
    await expect(fieldsOf('x.parquet', long)).rejects.toMatchObject(refusal('limit of 16777216 bytes'));
  });

  test('a row group that unpacks to too much is refused, also if its metadata says otherwise', async () => {
    const data = Array.from({ length: 260 }, (_, i) => String(i).padEnd(mebibyte, 'x'));
    const bytes = Buffer.from(
      parquetWriteBuffer({ columnData: [{ name: 'a', data, type: 'STRING', encoding: 'PLAIN' }] }),
    );
    const size = parquetMetadata(bytes).row_groups[0]!.columns[0]!.meta_data!.total_uncompressed_size;
    const tooLarge = refusal('exceeds the limit of 268435456 bytes unpacked');
    await expect(fieldsOf('x.parquet', bytes)).rejects.toMatchObject(tooLarge);
    for (let at = bytes.indexOf(varint(size)); at !== -1; at = bytes.indexOf(varint(size)))
      bytes.set([0x82, 0x80, 0x80, 0x80, 0x00], at);
    expect(parquetMetadata(bytes).row_groups[0]!.columns[0]!.meta_data!.total_uncompressed_size).toBe(1n);
    await expect(fieldsOf('x.parquet', bytes)).rejects.toMatchObject(tooLarge);
  });

  test('a packed Parquet file is unpacked in memory up to a limit', async () => {
    expect(await fieldsOf('x.parquet.gz', gzipSync(file(2)))).toEqual([{ a: 'x' }, { a: 'x' }]);
    const random = Buffer.alloc(130 * mebibyte);
    for (let i = 0; i < random.length; i += 64) random.writeUInt32LE(i, i);
    await expect(fieldsOf('x.parquet.gz', gzipSync(random, { level: 1 }))).rejects.toMatchObject(
      refusal('unpacks to more than 134217728 bytes, the limit. Upload it without .gz.'),
    );
  });
});

/** A source, and the ranges that were read of it. */
function recorded(bytes: Buffer) {
  const source = sourceOf(bytes);
  const read: [start: number, end: number][] = [];
  const slice = (start: number, end: number) => {
    read.push([start, end]);
    return source.slice(start, end);
  };
  return { source: { ...source, slice }, read };
}

/** A number as Thrift's compact protocol writes it. */
function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value * 2n; bytes.length === 0 || rest > 0n; rest >>= 7n)
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
  return Buffer.from(bytes);
}
