import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import {
  type Compressors,
  type DecodedArray,
  type FileMetaData,
  flatten,
  type SchemaElement,
  type SchemaTree,
} from 'hyparquet';
import { parquetHeader, readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { assembleAsync } from 'hyparquet/src/rowgroup.js';
import { getTreePath, isFlatColumn } from 'hyparquet/src/schema.js';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';
import { pagesOf } from './parquet-pages.ts';
import { checkThrift } from './parquet-thrift.ts';
import { decimalOf, decimalText, floatText, hexText, parsers } from './parquet-types.ts';
import type { FileSource } from './source.ts';

/** A column of a row group: the text of its field in a row, from 0, asked for in order; empty if it has none. */
export type RowGroupColumn = (row: number) => string;

type ColumnChunk = FileMetaData['row_groups'][number]['columns'][number];
type ColumnMetaData = NonNullable<ColumnChunk['meta_data']>;

/**
 * The limits of a row group, stored and unpacked, and of the values that are held at a time: a page of each flat column, and
 * all of a nested one. The last covers what a dictionary repeats.
 */
const maxStoredBytes = 128 * 1024 * 1024;
const maxUnpackedBytes = 256 * 1024 * 1024;
const maxHeldValues = 6_000_000;

/**
 * Reads a row group, in one range of the file.
 *
 * @throws InvalidInput  it exceeds a limit, is damaged or encrypted, or is packed by an unknown codec
 */
export async function readRowGroup(
  source: FileSource,
  metadata: FileMetaData,
  schema: SchemaTree,
  index: number,
): Promise<RowGroupColumn[]> {
  try {
    const { columns, num_rows } = metadata.row_groups[index]!;
    const chunks = columns.map((chunk) => metaDataOf(chunk, index));
    assertWithinLimits(chunks, index);
    const [start, end] = rangeOf(chunks);
    if (!(start >= 0 && start < end && end <= source.size))
      throw new RangeError('the row group is outside of the file');
    if (end - start > maxStoredBytes) throw tooLarge(index, `${maxStoredBytes} bytes in the file`);
    const bytes = await source.slice(start, end);
    const storedOf = (chunk: ColumnMetaData) =>
      new Uint8Array(bytes, offsetOf(chunk) - start, Number(chunk.total_compressed_size));
    const checked = chunks.map((chunk) => checkPages(storedOf(chunk), chunk, isFlat(chunk, schema), Number(num_rows)));
    const sum = (of: (pages: Pages) => number) => checked.reduce((total, pages) => total + of(pages), 0);
    if (sum((pages) => pages.unpackedBytes) > maxUnpackedBytes)
      throw tooLarge(index, `${maxUnpackedBytes} bytes unpacked`);
    if (sum((pages) => pages.heldValues) > maxHeldValues)
      throw tooLarge(index, `${maxHeldValues} values in its largest pages`);
    return await columnsOf(schema, chunks, storedOf, Number(num_rows));
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : damaged(index, cause);
  }
}

async function columnsOf(
  schema: SchemaTree,
  chunks: ColumnMetaData[],
  storedOf: (chunk: ColumnMetaData) => Uint8Array,
  rows: number,
): Promise<RowGroupColumn[]> {
  const compressors = await loadCompressors();
  const asyncColumns = chunks
    .filter((chunk) => !isFlat(chunk, schema))
    .map((chunk) => {
      const data = nestedValues(storedOf(chunk), chunk, schema, rows, compressors);
      return { pathInSchema: chunk.path_in_schema, data: Promise.resolve({ data: [data], skipped: 0 }) };
    });
  const { asyncColumns: nested } = assembleAsync({ groupStart: 0, groupRows: rows, asyncColumns }, schema, parsers);
  return Promise.all(
    schema.children.map(async ({ element }) => {
      const column = nested.find(({ pathInSchema }) => pathInSchema[0] === element.name);
      if (column) return nestedColumn(flatten((await column.data).data), rows);
      const chunk = chunks.find(({ path_in_schema }) => path_in_schema[0] === element.name)!;
      return flatColumn(pagesOf(storedOf(chunk), decoderOf(chunk, schema, compressors)), element);
    }),
  );
}

function isFlat({ path_in_schema }: ColumnMetaData, schema: SchemaTree): boolean {
  return isFlatColumn(getTreePath(schema, path_in_schema));
}

function metaDataOf({ meta_data, crypto_metadata, file_path }: ColumnChunk, index: number): ColumnMetaData {
  if (crypto_metadata) throw new InvalidInput('The Parquet file has encrypted columns. Upload it decrypted.');
  if (!meta_data || file_path) throw damaged(index);
  return meta_data;
}

/** By what the footer says, before anything is read. */
function assertWithinLimits(chunks: ColumnMetaData[], index: number): void {
  const sum = (of: (chunk: ColumnMetaData) => bigint) => chunks.reduce((total, chunk) => total + of(chunk), 0n);
  if (sum(({ total_uncompressed_size }) => total_uncompressed_size) > maxUnpackedBytes)
    throw tooLarge(index, `${maxUnpackedBytes} bytes unpacked`);
}

function offsetOf({ dictionary_page_offset, data_page_offset }: ColumnMetaData): number {
  return Number(dictionary_page_offset || data_page_offset);
}

function rangeOf(chunks: ColumnMetaData[]): [number, number] {
  const ends = chunks.map((chunk) => offsetOf(chunk) + Number(chunk.total_compressed_size));
  return [Math.min(...chunks.map(offsetOf)), Math.max(...ends)];
}

interface Pages {
  unpackedBytes: number;
  heldValues: number;
}

/** Checks the headers of a column's pages against its metadata. */
function checkPages(stored: Uint8Array, { num_values }: ColumnMetaData, flat: boolean, rows: number): Pages {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const reader = { view, offset: 0 };
  let values = 0;
  let largest = 0;
  let unpackedBytes = 0;
  while (reader.offset < stored.length) {
    checkThrift(stored, reader.offset);
    const header = parquetHeader(reader);
    const count = (header.data_page_header ?? header.data_page_header_v2)?.num_values ?? 0;
    if (!(header.compressed_page_size >= 0 && header.uncompressed_page_size >= 0 && count >= 0))
      throw new RangeError('a page has a negative size');
    reader.offset += header.compressed_page_size;
    values += count;
    largest = Math.max(largest, count);
    unpackedBytes += header.uncompressed_page_size;
    if (unpackedBytes > maxUnpackedBytes) break;
  }
  if (reader.offset > stored.length || BigInt(values) > num_values)
    throw new RangeError('the pages of a column exceed what its metadata says');
  if (flat && values !== rows && unpackedBytes <= maxUnpackedBytes)
    throw new RangeError(`a column has ${values} of ${rows} values`);
  return { unpackedBytes, heldValues: flat ? largest : values };
}

function decoderOf(chunk: ColumnMetaData, schema: SchemaTree, compressors: Compressors) {
  const schemaPath = getTreePath(schema, chunk.path_in_schema);
  const { element } = schemaPath.at(-1)!;
  if (chunk.codec !== 'UNCOMPRESSED' && !compressors[chunk.codec])
    throw new InvalidInput(
      `The Parquet file is packed by the codec ${chunk.codec ?? 'of an unknown number'}. Use SNAPPY, GZIP, or ZSTD.`,
    );
  const decimal = decimalOf(element);
  return {
    pathInSchema: chunk.path_in_schema,
    schemaPath,
    element: decimal ? { ...element, converted_type: undefined, logical_type: undefined } : element,
    type: chunk.type,
    codec: chunk.codec,
    compressors,
    utf8: !decimal,
    parsers: { ...DEFAULT_PARSERS, ...parsers },
  };
}

function nestedValues(
  stored: Uint8Array,
  chunk: ColumnMetaData,
  schema: SchemaTree,
  rows: number,
  compressors: Compressors,
): DecodedArray {
  const reader = { view: new DataView(stored.buffer, stored.byteOffset, stored.byteLength), offset: 0 };
  const selection = { groupStart: 0, selectStart: 0, selectEnd: rows, groupRows: rows };
  const { data } = readColumn(reader, selection, decoderOf(chunk, schema, compressors));
  const { element } = getTreePath(schema, chunk.path_in_schema).at(-1)!;
  return nestedTexts(flatten(data) as unknown[], decimalOf(element)?.scale, element.type === 'FLOAT');
}

/** Values within a list, map or struct, as they go into JSON: whole numbers of 64 bits and decimals as text. */
function nestedTexts(values: unknown[], scale: number | undefined, isFloat: boolean): unknown[] {
  return Array.from(values, (value) => {
    if (Array.isArray(value)) return nestedTexts(value, scale, isFloat);
    if (value === null || value === undefined) return value;
    if (scale !== undefined) return decimalText(value as bigint, scale);
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Uint8Array) return hexText(value);
    return isFloat ? Number(floatText(value as number)) : value;
  });
}

function nestedColumn(values: ArrayLike<unknown>, rows: number): RowGroupColumn {
  if (values.length !== rows) throw new RangeError(`a column has ${values.length} of ${rows} values`);
  return (row) => {
    const value = values[row];
    return value === null || value === undefined ? '' : JSON.stringify(value);
  };
}

function flatColumn(valueAt: (row: number) => unknown, element: SchemaElement): RowGroupColumn {
  const decimal = decimalOf(element);
  const isFloat = element.type === 'FLOAT';
  return (row) => {
    const value = valueAt(row);
    if (typeof value === 'string') return value;
    if (value === null || value === undefined) return '';
    if (decimal) return decimalText(value as bigint, decimal.scale);
    if (isFloat) return floatText(value as number);
    return value instanceof Uint8Array ? hexText(value) : String(value);
  };
}

/** A page of nulls has no bytes, and Node takes no limit of zero. */
function limitOf(bytes: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, bytes) };
}

async function loadCompressors(): Promise<Compressors> {
  const { compressors } = await import('hyparquet-compressors');
  const { SNAPPY, LZ4, LZ4_RAW } = compressors;
  // Node's own are bounded; the package's zstd allocates what the page claims
  return {
    SNAPPY: SNAPPY!,
    LZ4: LZ4!,
    LZ4_RAW: LZ4_RAW!,
    GZIP: (input, bytes) => gunzipSync(input, limitOf(bytes)),
    BROTLI: (input, bytes) => brotliDecompressSync(input, limitOf(bytes)),
    ZSTD: (input, bytes) => zstdDecompressSync(input, limitOf(bytes)),
  };
}

function tooLarge(index: number, limit: string): InvalidInput {
  return new InvalidInput(
    `Row group ${index + 1} of the Parquet file exceeds the limit of ${limit}. Write the file with fewer rows in a group.`,
  );
}

export function damaged(index: number, cause?: unknown): InvalidInput {
  return new InvalidInput(
    `Row group ${index + 1} of the Parquet file is damaged, or packs its values in an unknown way.`,
    [],
    {
      cause,
    },
  );
}
