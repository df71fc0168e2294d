/** Puts a file into the imports bucket, which starts its import. */
import type { Readable } from 'node:stream';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ulid } from '../shared/kernel/ulid.ts';

export interface ImportsBucket {
  s3Url: string;
  importsBucket: string;
}

export interface UploadedFile {
  name: string;
  content: Readable | string;
  bytes: number;
}

/** Uploads a file of a dataset (`wallets.sets`) with columns for each of its rows. Returns the id of the job that imports it. */
export async function upload(
  { s3Url, importsBucket }: ImportsBucket,
  dataset: string,
  { name, content, bytes }: UploadedFile,
  set: Record<string, string> = {},
): Promise<string> {
  const jobId = ulid();
  const s3 = new S3Client({
    endpoint: s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  await s3.send(
    new PutObjectCommand({
      Bucket: importsBucket,
      Key: `${dataset.replace('.', '/')}/${jobId}/${name}`,
      Body: content,
      ContentLength: bytes,
      Metadata: { set: JSON.stringify(set) },
    }),
  );
  return jobId;
}
