import { type Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { S3Client } from '@aws-sdk/client-s3';
import { env } from '../env.ts';
import { NotFound, Unavailable } from '../kernel/errors.ts';

/** An open S3 object. */
export interface StoredObject {
  /** Its bytes, decompressed if the name ends in .gz. */
  stream: Readable;
  /** 0 to 100, based on the stored bytes read so far. */
  percent(): number;
  metadata: Record<string, string>;
}

let client: Promise<S3Client> | undefined;

async function s3(): Promise<S3Client> {
  client ??= import('@aws-sdk/client-s3').then(
    ({ S3Client }) => new S3Client({ forcePathStyle: env('AWS_ENDPOINT_URL_S3') !== undefined }),
  );
  return client;
}

/**
 * Opens an object for reading.
 *
 * @throws NotFound     the object does not exist
 * @throws Unavailable  S3 did not respond (retryable)
 */
export async function openObject(bucket: string, key: string): Promise<StoredObject> {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const {
    Body,
    ContentLength = 0,
    Metadata = {},
  } = await (await s3()).send(new GetObjectCommand({ Bucket: bucket, Key: key })).catch((cause: unknown) => {
    const { name } = cause as { name?: string };
    if (name === 'NoSuchKey' || name === 'NotFound') throw new NotFound(`The object ${key} does not exist.`, { cause });
    throw new Unavailable('S3 did not respond.', { cause });
  });
  let read = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      read += chunk.length;
      done(null, chunk);
    },
  });
  const stored = Body as Readable;
  stored.on('error', (error) => counted.destroy(error));
  stored.pipe(counted);
  return {
    stream: key.endsWith('.gz') ? decompress(counted) : counted,
    percent: () => (ContentLength === 0 ? 100 : Math.min(100, (read / ContentLength) * 100)),
    metadata: Metadata,
  };
}

function decompress(compressed: Readable): Readable {
  const gunzip = createGunzip();
  compressed.on('error', (error) => gunzip.destroy(error));
  return compressed.pipe(gunzip);
}
