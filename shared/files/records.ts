import { InvalidInput } from '../kernel/errors.ts';
import type { Aliases } from './columns.ts';
import { csvRecords } from './csv.ts';
import { gunzip } from './gunzip.ts';
import { ndjsonRecords } from './ndjson.ts';
import type { FileRecord } from './record.ts';
import type { FileSource } from './source.ts';
import { utf8Of } from './utf8.ts';

export interface RecordOptions {
  aliases: Aliases;
  /** Called with the file's columns before its first record, if the format names them in one place. */
  checkColumns(columns: string[]): void;
  /** The number of records to leave out at the start. */
  skip: number;
}

/**
 * Reads the records of a file in order, many at a time. The format follows from its extension: `.csv`, `.ndjson`,
 * `.jsonl`, or `.parquet`, each optionally followed by `.gz`.
 *
 * Memory is bounded whatever the file: by the limits on a record, its fields and columns, what gzip may unpack to, and a
 * row group of Parquet.
 *
 * @throws InvalidInput  the extension is unknown, the file is damaged, not UTF-8, or exceeds a limit; names the line
 * @throws Unavailable   the file could not be read to its end (retryable)
 */
export async function* readRecords(
  name: string,
  source: FileSource,
  options: RecordOptions,
): AsyncIterable<FileRecord[]> {
  const [, format, gz] = /\.(csv|ndjson|jsonl|parquet)(\.gz)?$/.exec(name.toLowerCase()) ?? [];
  if (format === undefined)
    throw new InvalidInput(
      `Unknown file format: ${name}. Allowed: .csv, .ndjson, .jsonl, .parquet, each optionally with .gz.`,
    );
  const bytes = () => (gz === undefined ? source.read() : gunzip(source.read()));
  if (format === 'parquet') {
    const { parquetRecords, unpackedParquet } = await import('./parquet.ts');
    yield* parquetRecords(gz === undefined ? source : await unpackedParquet(bytes()), options);
    return;
  }
  const records = format === 'csv' ? csvRecords(utf8Of(bytes()), options) : ndjsonRecords(utf8Of(bytes()), options);
  let { skip } = options;
  for await (const batch of records) {
    yield batch.slice(Math.min(skip, batch.length));
    skip -= Math.min(skip, batch.length);
  }
}
