import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { env } from '../env.ts';
import { InvalidInput, NotFound, TributaryError, Unavailable } from '../kernel/errors.ts';
import type { FileSource } from './source.ts';

/**
 * One version of an S3 object. Its reads throw what `openObject` throws, also if the object is replaced while it is read:
 * bytes of two versions are never mixed.
 */
export interface StoredObject extends FileSource {
  /** Identifies the version, without quotes. */
  etag: string;
  metadata: Record<string, string>;
  /** 0 to 100, by the bytes read so far. */
  percent(): number;
}

/** After this time without a byte, a connection counts as broken. S3 responds within a second. */
const stallMs = 30_000;

let client: Promise<S3Client> | undefined;

/** The container's client. */
export async function s3(): Promise<S3Client> {
  client ??= import('@aws-sdk/client-s3').then(
    ({ S3Client }) => new S3Client({ forcePathStyle: env('AWS_ENDPOINT_URL_S3') !== undefined }),
  );
  return client;
}

/**
 * Opens an object for reading.
 *
 * @param version  the ETag of the version to read, without quotes; the current one if it is undefined
 * @throws InvalidInput  the object is no longer of that version
 * @throws NotFound      the object does not exist
 * @throws Unavailable   S3 did not respond, stalled, or closed the connection early (retryable)
 */
export async function openObject(bucket: string, key: string, version?: string): Promise<StoredObject> {
  const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
  const head = new HeadObjectCommand({ Bucket: bucket, Key: key });
  const {
    ETag = '',
    ContentLength: size = 0,
    Metadata: metadata = {},
  } = await inTime(s3().then((opened) => opened.send(head))).catch((cause: unknown) => fail(cause, key));
  const etag = ETag.replaceAll('"', '');
  if (version !== undefined && version !== etag) throw replaced(key);
  return { ...objectOf(bucket, key, etag, size), metadata };
}

/** A version of an object whose size is known. Nothing is asked before the first read; the errors are those of `openObject`. */
export function objectOf(bucket: string, key: string, etag: string, size: number): Omit<StoredObject, 'metadata'> {
  let received = 0;
  const get = async function* (expected: number, range?: string): AsyncIterable<Buffer> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const request = new GetObjectCommand({ Bucket: bucket, Key: key, IfMatch: `"${etag}"`, Range: range });
    try {
      const { Body } = await inTime(s3().then((opened) => opened.send(request)));
      for await (const chunk of whole(Body as Readable, expected)) {
        received += chunk.length;
        yield chunk;
      }
    } catch (cause) {
      fail(cause, key);
    }
  };
  return {
    etag,
    size,
    percent: () => (size === 0 ? 100 : Math.min(100, (received / size) * 100)),
    read: () => get(size),
    async slice(start, end) {
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      for await (const chunk of get(end - start, `bytes=${start}-${end - 1}`)) {
        bytes.set(chunk, filled);
        filled += chunk.length;
      }
      return bytes.buffer;
    },
  };
}

/** The bytes of a body. An error if they end before the expected length, or stall. */
async function* whole(body: Readable, expected: number): AsyncIterable<Buffer> {
  let received = 0;
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (let next = await inTime(chunks.next()); !next.done; next = await inTime(chunks.next())) {
      received += (next.value as Buffer).length;
      if (received > expected) break;
      yield next.value as Buffer;
    }
  } finally {
    body.destroy();
  }
  if (received !== expected) throw new Error(`S3 sent ${received} of ${expected} bytes.`);
}

/** Only the time that we wait for S3 counts: while a batch is applied, nothing is read. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`S3 sent nothing for ${stallMs / 1_000} seconds.`)), stallMs);
  });
  return Promise.race([work, stalled]).finally(() => clearTimeout(timer));
}

function fail(cause: unknown, key: string): never {
  const { name, $metadata } = cause as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (cause instanceof TributaryError) throw cause;
  if (name === 'NoSuchKey' || name === 'NotFound') throw new NotFound(`The object ${key} does not exist.`, { cause });
  if ($metadata?.httpStatusCode === 412) throw replaced(key);
  throw new Unavailable('S3 did not respond, or broke off the transfer.', { cause });
}

/** The version of a file that an import reads is gone. */
export function replaced(key: string): InvalidInput {
  return new InvalidInput(
    `The file ${key} was replaced after this import was requested. The new file has an import of its own.`,
  );
}
