/** Reads archived files: only the pages that may hold the wanted rows. */
import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import { type FileMetaData, parquetMetadata, parquetScan } from 'hyparquet';
import { type FileSource, sourceOf } from '../files/source.ts';
import { TributaryError, Unavailable } from '../kernel/errors.ts';
import { type Batch, type Batches, type Key, rowsIn } from './batch.ts';
import { columnsInSchema, type FileColumn } from './columns.ts';

/** The end of a file: its metadata, and eight bytes. */
export interface FooterMark {
  bytes: number;
  /** SHA-256, in hex. */
  hash: string;
  /** The same of the whole file. */
  file: string;
}

/** An opened file. Its values are those of `FileColumn`. */
export interface ArchivedFile {
  source: FileSource;
  mark: FooterMark;
  /** Without the types that hyparquet would convert values to. */
  metadata: FileMetaData;
  columns: FileColumn[];
}

/** The rows to read: of these series, with times in [since, until), in microseconds. */
export interface Wanted {
  key: Key;
  series: readonly number[];
  since: bigint;
  until: bigint;
}

/** S3 sent other bytes than were archived, or the object has others. */
export class Altered extends Unavailable {}

const trailerBytes = 8;
/** A file up to this size is read in one request: if only some rows are wanted, or all. */
const maxWholeBytes = { wanted: 64 * 1024, all: 32 * 1024 * 1024 };
const maxFooters = 200;
const footers = new Map<string, { metadata: FileMetaData; columns: FileColumn[] }>();

/**
 * Opens a file. Its footer is read once per container.
 *
 * @param etag  identifies the bytes
 * @throws Unavailable  S3 failed, or sent other bytes than were archived (retryable)
 */
export async function openFile(source: FileSource, etag: string, mark: FooterMark): Promise<ArchivedFile> {
  let footer = footers.get(etag);
  if (!footer) {
    const bytes = new Uint8Array(await source.slice(source.size - mark.bytes, source.size));
    if (hashOf(bytes) !== mark.hash) throw altered();
    footer = parse(bytes);
    if (footers.size >= maxFooters) footers.delete(footers.keys().next().value!);
    footers.set(etag, footer);
  }
  return { source, mark, ...footer };
}

/** What identifies the footer of a file that was just written. */
export async function footerMarkOf(source: FileSource): Promise<FooterMark> {
  const trailer = Buffer.from(await source.slice(source.size - trailerBytes, source.size));
  const bytes = trailer.readUInt32LE(0) + trailerBytes;
  const hash = hashOf(new Uint8Array(await source.slice(source.size - bytes, source.size)));
  return { bytes, hash, file: await hashOfFile(source) };
}

/** SHA-256 of all bytes, in hex. */
export async function hashOfFile(source: FileSource): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source.read()) hash.update(chunk);
  return hash.digest('hex');
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function parse(bytes: Uint8Array) {
  const metadata = parquetMetadata(bytes.buffer as ArrayBuffer, {
    geoparquet: false,
    parsers: { timestampFromMicroseconds: (micros) => micros },
  });
  const columns = columnsInSchema(metadata.schema);
  const [root, ...elements] = metadata.schema;
  const raw = elements.map((element) =>
    element.converted_type === 'UTF8' ? element : { ...element, converted_type: undefined, logical_type: undefined },
  );
  return { metadata: { ...metadata, schema: [root!, ...raw] } as FileMetaData, columns };
}

/**
 * The rows of a file in order: all of them, or those wanted. A batch holds at most the rows of a row group.
 *
 * @throws Unavailable  S3 failed, or sent other bytes than were archived (retryable)
 */
export async function* fileRows({ source, mark, metadata, columns }: ArchivedFile, wanted?: Wanted): Batches {
  try {
    const isWhole = source.size <= (wanted ? maxWholeBytes.wanted : maxWholeBytes.all);
    const from = isWhole ? await wholeFile(source, mark) : source;
    const scan = await parquetScan({
      file: { byteLength: source.size, slice: (start, end) => from.slice(start, end ?? source.size) },
      metadata,
      usePageIndex: true,
      utf8: false,
      // a page of nulls has no bytes, and Node takes no limit of zero
      compressors: { ZSTD: (input, bytes) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, bytes) }) },
      ...(wanted ? { pruningFilter: filterOf(columns, wanted) } : {}),
    });
    for (const { rowStart, rowEnd } of scan.ranges) {
      const read = (column: FileColumn) => scan.readColumn({ column: column.name, rowStart, rowEnd });
      const values = await Promise.all(columns.map(read));
      const batch = values.map((one, i) => valuesOf(columns[i]!, one as ArrayLike<unknown>, rowEnd - rowStart));
      const rows = wanted ? chosen(batch, wanted) : batch;
      if (rowsIn(rows) > 0) yield rows;
    }
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : altered(cause);
  }
}

async function wholeFile(source: FileSource, mark: FooterMark): Promise<FileSource> {
  const bytes = Buffer.from(await source.slice(0, source.size));
  if (hashOf(bytes) !== mark.file) throw altered();
  return sourceOf(bytes);
}

function filterOf(columns: readonly FileColumn[], { key, series, since, until }: Wanted) {
  const [seriesName, timeName] = [columns[key.series]!.name, columns[key.time]!.name];
  return { [seriesName]: { $in: [...series] }, [timeName]: { $gte: since, $lt: until } };
}

function chosen(batch: Batch, { key, series, since, until }: Wanted): Batch {
  const ids = new Set(series.map(Number));
  const at: number[] = [];
  const [all, times] = [batch[key.series]!, batch[key.time] as bigint[]];
  for (let i = 0; i < all.length; i++)
    if (ids.has(Number(all[i])) && times[i]! >= since && times[i]! < until) at.push(i);
  return batch.map((values) => at.map((i) => values[i]));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function valuesOf({ kind, isWide }: FileColumn, values: ArrayLike<unknown>, rows: number): unknown[] {
  if (values.length !== rows) throw new RangeError('a column has more or fewer values than rows');
  const convert =
    kind === 'decimal' && isWide
      ? (value: unknown) => wide(value as Uint8Array)
      : kind === 'text'
        ? (value: unknown) => (typeof value === 'string' ? value : utf8.decode(value as Uint8Array))
        : undefined;
  return Array.from(values, (value) =>
    value === null || value === undefined ? null : convert ? convert(value) : value,
  );
}

/** Two's complement, big-endian. */
function wide(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (view.getBigInt64(0) << 64n) | view.getBigUint64(8);
}

function altered(cause?: unknown): Altered {
  return new Altered('A file of the archive could not be read as it was written. Retry.', { cause });
}
