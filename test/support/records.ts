import type { FileRecord } from '../../shared/files/record.ts';
import { readRecords } from '../../shared/files/records.ts';
import { type FileSource, sourceOf } from '../../shared/files/source.ts';

/** The records of a file, as an import reads them. */
export async function recordsOf(
  name: string,
  content: Buffer | string | FileSource,
  aliases: Record<string, string> = {},
): Promise<FileRecord[]> {
  const source = typeof content === 'string' || Buffer.isBuffer(content) ? sourceOf(Buffer.from(content)) : content;
  const records: FileRecord[] = [];
  for await (const some of readRecords(name, source, { aliases, checkColumns() {}, skip: 0 })) records.push(...some);
  return records;
}

/** The fields of each record, or the reason against it. */
export async function fieldsOf(name: string, content: Buffer | string | FileSource): Promise<unknown[]> {
  return (await recordsOf(name, content)).map((one) => ('record' in one ? one.record : one.reason));
}

/** Bytes in chunks of a given length. */
export function chunked(bytes: Buffer, length: number): FileSource {
  return {
    ...sourceOf(bytes),
    async *read() {
      for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
    },
  };
}
