import { expect, test } from 'vitest';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createCollections } from '../support/collections.ts';
import { putObject } from '../support/queues.ts';

const { bucket, database, jobRow, runMessage } = await createCollections();

test('a file is imported whatever characters its name has', async () => {
  const id = ulid();
  const key = `collections/traits/${id}/red hats + größe 100%.csv`;
  await putObject(bucket, key, 'token_id,trait_type,trait_value\n1,Hat,Red', { collection: `0x${'ab'.repeat(20)}` });
  // S3 encodes keys in its notices like the fields of a form
  const encoded = key.split('/').map(encodeURIComponent).join('/').replaceAll('%20', '+');
  await runMessage({ Records: [{ s3: { bucket: { name: bucket }, object: { key: encoded } } }] });
  expect(await jobRow(id)).toMatchObject({ status: 'succeeded', rows_applied: 1 });
});

test('the message that S3 sends to test a queue starts nothing and is not delivered again', async () => {
  const message = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: bucket };
  const before = (await database.pool.query('select from platform.jobs')).rowCount;
  expect(await runMessage(message)).toEqual({ batchItemFailures: [] });
  expect((await database.pool.query('select from platform.jobs')).rowCount).toBe(before);
});
