import type { FileMetaData, SchemaTree } from 'hyparquet';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';
import { columnsNamed } from './columns.ts';
import { readFooter } from './parquet-footer.ts';
import { damaged, type RowGroupColumn, readRowGroup } from './parquet-row-group.ts';
import { checkedRecord, type FileRecord, type TextRecord } from './record.ts';
import type { RecordOptions } from './records.ts';
import { type FileSource, sourceOf } from './source.ts';

const batchRecords = 500;
/** Parquet is read in any order, so a packed file has to be unpacked in memory. */
const maxUnpackedBytes = 128 * 1024 * 1024;

/**
 * The records of a Parquet file. Its columns are read by ranges, one row group after another.
 *
 * @throws InvalidInput  the file is damaged, encrypted, exceeds a limit, or has a column of a type that is not supported
 */
export async function* parquetRecords(
  source: FileSource,
  { aliases, checkColumns, skip }: RecordOptions,
): AsyncIterable<FileRecord[]> {
  const { metadata, schema } = await readFooter(source);
  const columns = columnsNamed(
    schema.children.map(({ element }) => element.name ?? ''),
    aliases,
  );
  checkColumns(columns);
  let groupStart = 0;
  for (const [index, { num_rows }] of metadata.row_groups.entries()) {
    const start = groupStart;
    groupStart += Number(num_rows);
    if (groupStart > skip) yield* recordsOf(source, metadata, schema, index, columns, start, Math.max(0, skip - start));
  }
}

async function* recordsOf(
  source: FileSource,
  metadata: FileMetaData,
  schema: SchemaTree,
  index: number,
  columns: string[],
  groupStart: number,
  from: number,
): AsyncIterable<FileRecord[]> {
  const fields = await readRowGroup(source, metadata, schema, index);
  const rows = Number(metadata.row_groups[index]!.num_rows);
  for (let first = from; first < rows; first += batchRecords) {
    const count = Math.min(batchRecords, rows - first);
    const rowAt = (_: unknown, i: number) => recordAt(columns, fields, first + i, groupStart + first + i + 1);
    yield unpacked(index, () => Array.from({ length: count }, rowAt));
  }
}

/** Pages are unpacked only when their rows are read. */
function unpacked<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : damaged(index, cause);
  }
}

function recordAt(columns: string[], fields: RowGroupColumn[], row: number, position: number): FileRecord {
  const record: TextRecord = {};
  for (const [i, column] of columns.entries()) {
    const text = fields[i]!(row);
    if (text !== '') record[column] = text;
  }
  return checkedRecord(position, record);
}

/** A Parquet file that was packed as a whole. @throws InvalidInput  it is too large to unpack */
export async function unpackedParquet(bytes: AsyncIterable<Buffer>): Promise<FileSource> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > maxUnpackedBytes)
      throw new InvalidInput(
        `The file unpacks to more than ${maxUnpackedBytes} bytes, the limit. Upload it without .gz.`,
      );
    chunks.push(chunk);
  }
  return sourceOf(Buffer.concat(chunks));
}
