import { constants, zstdCompressSync } from 'node:zlib';
import type { Batch, Batches } from './batch.ts';
import { type FileColumn, schemaOf } from './columns.ts';
import { type Content, ContentOf } from './content.ts';

/** Rows of a row group. Its footer costs a reader about 100 bytes per column, its memory a writer about 100 MB. */
export const rowGroupRows = 50_000;
/** A reader of one series reads about a page of each column. */
const pageBytes = 8 * 1024;
const dictionaryBytes = 8 * 1024;

/** The checksum finds bytes that changed on the way. */
const zstd = {
  params: { [constants.ZSTD_c_compressionLevel]: 6, [constants.ZSTD_c_checksumFlag]: 1 },
};

/**
 * Writes batches of rows as a Parquet file, and returns what it contains. Each batch becomes a row group. At most one is
 * held in memory.
 *
 * @param sorted  the columns whose pages are indexed, so that readers find the rows of a series and a time
 */
export async function writeFile(
  path: string,
  columns: readonly FileColumn[],
  sorted: readonly string[],
  batches: Batches,
): Promise<Content> {
  const { ParquetWriter, fileWriter } = await import('hyparquet-writer');
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: schemaOf(columns),
    codec: 'ZSTD',
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes, zstd) },
    createdBy: 'tributary',
  });
  const content = new ContentOf(columns);
  for await (const batch of batches) {
    content.add(batch);
    await writer.write({
      columnData: columns.map((column, i) => columnData(column, batch, i, sorted)) as never,
      rowGroupSize: batch[0]!.length,
      pageSize: pageBytes,
      dictionarySize: dictionaryBytes,
    });
  }
  await writer.finish();
  return content.content();
}

function columnData({ name, kind, isWide }: FileColumn, batch: Batch, index: number, sorted: readonly string[]) {
  const isWhole = kind === 'time' || (kind === 'integer' && sorted.includes(name));
  return {
    name,
    data: batch[index]!,
    columnIndex: sorted.includes(name),
    offsetIndex: true,
    statistics: sorted.includes(name),
    ...(isWhole && !isWide ? { encoding: 'DELTA_BINARY_PACKED' } : {}),
  };
}
