import { NotFound, TributaryError } from '../kernel/errors.ts';
import type { MonthFile } from './catalog.ts';
import { ContentOf } from './content.ts';
import { fileSource } from './objects.ts';
import { Altered, fileRows, hashOfFile, openFile } from './read-file.ts';

/**
 * Reads a whole file back, and compares its rows, sums, and hash with its manifest. Returns what differs, or undefined.
 *
 * @throws Unavailable  S3 failed (retryable)
 */
export async function verifyFile(file: MonthFile): Promise<string | undefined> {
  const { manifest, etag } = file;
  try {
    if ((await hashOfFile(fileSource(file))) !== manifest.footer.file)
      return 'its bytes are not those that were written';
    const opened = await openFile(fileSource(file), etag, manifest.footer);
    const content = new ContentOf(opened.columns);
    for await (const batch of fileRows(opened)) content.add(batch);
    const { rows, sums, hash } = content.content();
    if (rows !== manifest.rows) return `it has ${rows} of ${manifest.rows} rows`;
    const wrong = Object.keys(sums).find((name) => sums[name] !== manifest.sums[name]);
    if (wrong !== undefined) return `the sum of ${wrong} is ${sums[wrong]} instead of ${manifest.sums[wrong]}`;
    return hash === manifest.hash ? undefined : 'the hash of its rows differs';
  } catch (error) {
    if (error instanceof Altered) return 'its bytes are not those that were written';
    if (error instanceof NotFound) return 'it does not exist';
    if (error instanceof TributaryError && error.code === 'invalid_input') return 'it was replaced';
    throw error;
  }
}
