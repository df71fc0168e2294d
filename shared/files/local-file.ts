import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { FileSource } from './source.ts';

/** The bytes of a file on this machine. */
export async function sourceOfFile(path: string): Promise<FileSource> {
  const { size } = await stat(path);
  return {
    size,
    read: () => createReadStream(path),
    async slice(start, end) {
      const file = await open(path);
      try {
        const bytes = new Uint8Array(end - start);
        await file.read(bytes, 0, bytes.length, start);
        return bytes.buffer;
      } finally {
        await file.close();
      }
    },
  };
}
