/** The objects of the archive, in the layout that Athena and DuckDB take for a table with partitions. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { env } from '../env.ts';
import { objectOf, s3 } from '../files/object.ts';
import type { FileSource } from '../files/source.ts';
import { TributaryError, Unavailable } from '../kernel/errors.ts';

const timeoutMs = 30_000;
/** Of a file of any size. */
const uploadTimeoutMs = 300_000;

/** A month of a table: its first day, `2020-11-01`. */
export function keyOf(table: string, month: string, version: string): string {
  return `table=${table}/month=${month.slice(0, 7)}/${version}.parquet`;
}

/** The manifest beside a file. Athena and DuckDB skip names that begin with an underscore. */
export function manifestKeyOf(key: string): string {
  return key.replace(/([^/]+)\.parquet$/, '_$1.json');
}

/** @throws Unavailable  S3 failed (retryable) */
export async function putFile(key: string, path: string): Promise<{ etag: string; bytes: number }> {
  const { size } = await stat(path);
  const etag = await put(key, createReadStream(path), 'application/vnd.apache.parquet', size);
  return { etag, bytes: size };
}

/** @throws Unavailable  S3 failed (retryable) */
export async function putManifest(key: string, manifest: object): Promise<void> {
  const text = JSON.stringify(manifest, undefined, 2);
  await put(manifestKeyOf(key), Buffer.from(text), 'application/json', Buffer.byteLength(text));
}

async function put(key: string, body: Buffer | NodeJS.ReadableStream, type: string, size: number): Promise<string> {
  const { PutObjectCommand } = await import('@aws-sdk/client-s3');
  return onS3(async () => {
    const request = {
      Bucket: env('ARCHIVE_BUCKET'),
      Key: key,
      Body: body as Buffer,
      ContentLength: size,
      ContentType: type,
    };
    const { ETag = '' } = await (await s3()).send(new PutObjectCommand(request), limitedTo(uploadTimeoutMs));
    return ETag.replaceAll('"', '');
  });
}

/** Deletes a file and its manifest, if they exist. @throws Unavailable  S3 failed (retryable) */
export async function deleteFile(key: string): Promise<void> {
  const { DeleteObjectCommand } = await import('@aws-sdk/client-s3');
  await onS3(async () => {
    const client = await s3();
    for (const one of [key, manifestKeyOf(key)])
      await client.send(new DeleteObjectCommand({ Bucket: env('ARCHIVE_BUCKET'), Key: one }), limitedTo(timeoutMs));
  });
}

/** The bytes of one version of a file. */
export function fileSource({ key, etag, bytes }: { key: string; etag: string; bytes: number }): FileSource {
  return objectOf(env('ARCHIVE_BUCKET'), key, etag, bytes);
}

function limitedTo(ms: number) {
  return { abortSignal: AbortSignal.timeout(ms) };
}

async function onS3<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    throw new Unavailable('S3 did not respond, or refused the request.', { cause });
  }
}
