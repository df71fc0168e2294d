/** A file that is not in S3, or is another one, fails a read with an error that may go away. */
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { createArchiveWorld } from '../support/archive.ts';
import { testS3 } from '../support/queues.ts';

const { archive, bucket, call, files, pack, record } = await createArchiveWorld();

test.each(['deleted', 'replaced'] as const)(
  'a file that was %s is unavailable, and no answer about it is kept',
  async (how) => {
    const token = how === 'deleted' ? 'btc' : 'eth';
    const month = how === 'deleted' ? '2019-01' : '2019-03';
    await record([token, `${month}-01T00:00:00.000Z`, '3800.5']);
    await pack(month);
    await archive({ graceMs: 0 });
    forgetMarkers();
    const Key = (await files()).find((key) => key.includes(month))!;
    await testS3().send(
      how === 'deleted'
        ? new DeleteObjectCommand({ Bucket: bucket, Key })
        : new PutObjectCommand({ Bucket: bucket, Key, Body: 'another' }),
    );
    const reply = await call(`/v1/tokens/${token}/prices?from=${month}-01T00:00:00Z&to=${month}-05T00:00:00Z`);
    expect([reply.status, reply.json.type]).toEqual([503, expect.stringContaining('unavailable')]);
  },
);
