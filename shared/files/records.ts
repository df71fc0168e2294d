/** Reads the records of a file in any supported format: strings by column, without empty fields. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { InvalidInput } from '../kernel/errors.ts';

export type TextRecord = Record<string, string>;

/** A record with its line (CSV) or number, from 1; or the reason why it is invalid. */
export type FileRecord = { position: number; record: TextRecord } | { position: number; reason: string; raw: unknown };

/** An open file: its columns, if the format has a header, and its records in order. */
export interface OpenFile {
  columns: string[] | undefined;
  records: AsyncIterable<FileRecord>;
}

const maxParquetBytes = 512 * 1024 * 1024;

/**
 * Opens a file by its extension: `.csv`, `.ndjson`, `.jsonl`, or `.parquet`, each optionally followed by `.gz`. The
 * stream must already be decompressed.
 *
 * @param aliases  alternative column name → column name; ignored if the file also has the column itself
 * @throws InvalidInput  the extension is unknown, the header is missing, or the file is not Parquet
 */
export async function openFile(
  name: string,
  stream: Readable,
  aliases: Readonly<Record<string, string>> = {},
): Promise<OpenFile> {
  const format = /\.(csv|ndjson|jsonl|parquet)(\.gz)?$/i.exec(name)?.[1]?.toLowerCase();
  if (format === 'csv') return openCsv(stream, aliases);
  if (format === 'parquet') return { columns: undefined, records: renamed(parquetRecords(stream), aliases) };
  if (format) return { columns: undefined, records: renamed(jsonRecords(stream), aliases) };
  throw new InvalidInput(
    `Unknown file format: ${name}. Allowed: .csv, .ndjson, .jsonl, .parquet, each optionally with .gz.`,
  );
}

async function* renamed(
  records: AsyncIterable<FileRecord>,
  aliases: Readonly<Record<string, string>>,
): AsyncIterable<FileRecord> {
  const pairs = Object.entries(aliases);
  for await (const one of records) {
    if ('record' in one) {
      for (const [alias, column] of pairs) {
        if (!(alias in one.record) || column in one.record) continue;
        one.record[column] = one.record[alias]!;
        delete one.record[alias];
      }
    }
    yield one;
  }
}

async function openCsv(stream: Readable, aliases: Readonly<Record<string, string>>): Promise<OpenFile> {
  const parser = parse({ bom: true, relax_column_count: true, skip_empty_lines: true, info: true });
  stream.on('error', (error) => parser.destroy(error));
  const lines = stream.pipe(parser)[Symbol.asyncIterator]() as AsyncIterator<{
    record: string[];
    info: { lines: number };
  }>;
  const first = await lines.next();
  if (first.done) throw new InvalidInput('The file is empty. Its first line must name the columns.');
  const named = first.value.record.map((column) => column.trim());
  const columns = named.map((column) => {
    const target = aliases[column];
    return target === undefined || named.includes(target) ? column : target;
  });
  const repeated = columns.find((column, i) => columns.indexOf(column) !== i);
  if (repeated !== undefined) throw new InvalidInput(`The file has the column ${repeated} twice. Remove one.`);
  return { columns, records: csvRecords(columns, lines) };
}

async function* csvRecords(
  columns: string[],
  lines: AsyncIterator<{ record: string[]; info: { lines: number } }>,
): AsyncIterable<FileRecord> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const { record: fields, info } = next.value;
    if (fields.length !== columns.length) {
      yield {
        position: info.lines,
        reason: `has ${fields.length} fields; the header has ${columns.length}`,
        raw: fields,
      };
      continue;
    }
    const record: TextRecord = {};
    for (const [i, column] of columns.entries()) if (fields[i] !== '') record[column] = fields[i]!;
    yield { position: info.lines, record };
  }
}

async function* jsonRecords(stream: Readable): AsyncIterable<FileRecord> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  const failed = new Promise<never>((_, reject) => stream.once('error', reject));
  failed.catch(() => {});
  const iterator = lines[Symbol.asyncIterator]();
  for (let position = 1; ; position++) {
    const next = await Promise.race([iterator.next(), failed]);
    if (next.done) return;
    if (next.value.trim() !== '') yield jsonRecord(position, next.value);
  }
}

function jsonRecord(position: number, line: string): FileRecord {
  try {
    // numbers keep all their digits: a token id does not fit a double
    const value: unknown = JSON.parse(line, (_, inner, context?: { source?: string }) =>
      typeof inner === 'number' ? (context?.source ?? String(inner)) : inner,
    );
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { position, reason: 'is not an object', raw: line };
    return { position, record: toRecord(value) };
  } catch {
    return { position, reason: 'is not JSON', raw: line.slice(0, 1_000) };
  }
}

async function* parquetRecords(stream: Readable): AsyncIterable<FileRecord> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length;
    if (size > maxParquetBytes)
      throw new InvalidInput(`The Parquet file exceeds the limit of ${maxParquetBytes} bytes. Split it.`);
    chunks.push(chunk as Buffer);
  }
  const [{ parquetMetadata, parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  const bytes = Buffer.concat(chunks);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const metadata = readMetadata(() => parquetMetadata(file));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
    for (const [i, row] of rows.entries()) yield { position: rowStart + i + 1, record: toRecord(row) };
    rowStart = rowEnd;
  }
}

function readMetadata<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new InvalidInput('The file is truncated or not Parquet.', [], { cause });
  }
}

function toRecord(value: object): TextRecord {
  const record: TextRecord = {};
  for (const [column, field] of Object.entries(value)) {
    if (field === null || field === undefined || field === '') continue;
    record[column] =
      field instanceof Date ? field.toISOString() : typeof field === 'object' ? JSON.stringify(field) : String(field);
  }
  return record;
}
