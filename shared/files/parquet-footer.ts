import { type FileMetaData, parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet';
import { InvalidInput, TributaryError } from '../kernel/errors.ts';
import { checkThrift } from './parquet-thrift.ts';
import { assertSupported } from './parquet-types.ts';
import type { FileSource } from './source.ts';

const maxFooterBytes = 16 * 1024 * 1024;
const maxElements = 5_000;
const maxDepth = 16;
/** The length of the metadata and the magic number, at the end of the file. */
const trailerBytes = 8;

/** The metadata of a Parquet file and its schema as a tree. */
export interface Footer {
  metadata: FileMetaData;
  schema: SchemaTree;
}

/**
 * Reads the footer of a Parquet file.
 *
 * @throws InvalidInput  the file is not Parquet, truncated or encrypted, or its footer or schema exceeds a limit
 */
export async function readFooter(source: FileSource): Promise<Footer> {
  const length = await footerLength(source);
  const start = source.size - trailerBytes - length;
  const bytes = new Uint8Array(await source.slice(start, source.size));
  return parse(bytes, length);
}

async function footerLength(source: FileSource): Promise<number> {
  if (source.size < 2 * trailerBytes) throw notParquet();
  const trailer = Buffer.from(await source.slice(source.size - trailerBytes, source.size));
  const magic = trailer.toString('latin1', 4);
  if (magic === 'PARE') throw new InvalidInput('The Parquet file is encrypted. Upload it decrypted.');
  const length = trailer.readUInt32LE(0);
  if (magic !== 'PAR1' || length > source.size - trailerBytes) throw notParquet();
  if (length > maxFooterBytes)
    throw new InvalidInput(
      `The footer of the Parquet file exceeds the limit of ${maxFooterBytes} bytes. Split the file.`,
    );
  return length;
}

function parse(bytes: Uint8Array, length: number): Footer {
  try {
    checkThrift(bytes.subarray(0, length));
    const metadata = parquetMetadata(bytes, { geoparquet: false });
    const schema = parquetSchema(metadata);
    assertSchema(schema);
    const rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n);
    if (rows !== metadata.num_rows) throw new RangeError('the row groups have more or fewer rows than the file');
    return { metadata, schema };
  } catch (cause) {
    throw cause instanceof TributaryError ? cause : notParquet(cause);
  }
}

function assertSchema(schema: SchemaTree): void {
  if (schema.children.length === 0) throw new RangeError('the file has no columns');
  if (schema.count > maxElements || depthOf(schema) > maxDepth)
    throw new InvalidInput(
      `The schema of the Parquet file exceeds a limit: ${maxElements} columns in all, nested ${maxDepth} deep. Write fewer.`,
    );
  assertSupported(schema);
}

function depthOf({ children }: SchemaTree): number {
  return 1 + Math.max(0, ...children.map(depthOf));
}

function notParquet(cause?: unknown): InvalidInput {
  return new InvalidInput('The file is truncated or not Parquet.', [], { cause });
}
