import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import { openObject } from '../../shared/files/object.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { drain, putObject, testS3 } from '../support/queues.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { bucket, database, drainJobs, jobRow, jobsQueue, runMessage } = await createTestDomain('wallets');
afterEach(async () => {
  await drain(jobsQueue.url);
});

const sets = (name: string, count: number) =>
  `set_id,set_name\n${Array.from({ length: count }, (_, i) => `${i},${name} ${i}`).join('\n')}\n`;

/** Puts a file, and returns the notice that S3 sends. */
async function upload(key: string, content: string) {
  await putObject(bucket, key, content);
  const { ETag } = await testS3().send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  const object = { key, eTag: ETag!.replaceAll('"', '') };
  return { Records: [{ s3: { bucket: { name: bucket }, object } }] };
}
const importsOf = async (key: string) =>
  (
    await database.pool.query(
      `select id, status, rows_read::int, error from platform.jobs where params ->> 'key' = $1 order by created_at, id`,
      [key],
    )
  ).rows;
const stored = async () =>
  (await database.pool.query(`select split_part(name, ' ', 1) as version, count(*)::int from wallets.sets group by 1`))
    .rows;
const replaced = {
  code: 'invalid_input',
  message: expect.stringContaining(
    'was replaced after this import was requested. The new file has an import of its own.',
  ),
};

test.each([
  ['with a job id in its key', () => ulid()],
  ['without one', () => 'today'],
])('a file %s that is replaced while it is imported is refused, and the new one imported whole', async (_, part) => {
  const id = part();
  const key = `wallets/sets/${id}/sets.csv`;
  await runMessage(await upload(key, sets('old', 4_100)), 1);
  const continuation = await drain(jobsQueue.url);
  expect(continuation.length).toBe(1);
  const second = await upload(key, sets('new', 4_100));
  for (const message of continuation) await runMessage(message);
  await runMessage(second);
  await drainJobs();
  const imports = await importsOf(key);
  expect(imports.map(({ status, rows_read, error }) => [status, rows_read, error])).toEqual([
    ['failed', 2_000, replaced],
    ['succeeded', 4_100, null],
  ]);
  if (id !== 'today') expect(imports[0].id).toBe(id);
  expect(await stored()).toEqual([{ version: 'new', count: 4_100 }]);
});

test('a file that is replaced before its import begins is refused, whichever notice comes first', async () => {
  const key = `wallets/sets/${ulid()}/sets.csv`;
  const first = await upload(key, sets('old', 10));
  const second = await upload(key, sets('new', 10));
  for (const notice of [second, first, second]) await runMessage(notice);
  const outcomes = (await importsOf(key)).map(({ status, error }) => [status, error]);
  expect(outcomes).toContainEqual(['failed', replaced]);
  expect(outcomes).toContainEqual(['succeeded', null]);
  const { rows } = await database.pool.query(`select 1 from wallets.sets where name like 'old%' and id < 10`);
  expect(rows).toEqual([]);
});

test('the import of a new file does not go on from the checkpoint of the old one', async () => {
  const key = 'wallets/sets/checkpoint/sets.csv';
  await runMessage(await upload(key, sets('old', 2_100)), 1);
  const [continuation] = await drain(jobsQueue.url);
  const second = await upload(key, sets('newest', 2_100));
  await runMessage(second);
  expect((await importsOf(key)).at(-1)).toMatchObject({ status: 'succeeded', rows_read: 2_100 });
  await runMessage(continuation);
  expect((await importsOf(key))[0]).toMatchObject({ status: 'failed', error: replaced });
  const { rows } = await database.pool.query(`select 1 from wallets.sets where id < 2100 and name not like 'newest%'`);
  expect(rows).toEqual([]);
});

test('the same file uploaded twice under one key is imported once per notice, and refused never', async () => {
  const key = `wallets/sets/${ulid()}/sets.csv`;
  const notice = await upload(key, sets('same', 10));
  await upload(key, sets('same', 10));
  await runMessage(notice);
  await runMessage(notice);
  expect((await importsOf(key)).map(({ status }) => status)).toEqual(['succeeded']);
});

test('an import that does not know its version is refused too, once the file was replaced', async () => {
  const id = ulid();
  const key = `wallets/sets/${id}/sets.csv`;
  const withoutTag = { Records: [{ s3: { bucket: { name: bucket }, object: { key } } }] };
  await putObject(bucket, key, sets('old', 4_100));
  await runMessage(withoutTag, 1);
  await putObject(bucket, key, sets('new', 4_100));
  await drainJobs();
  expect(await jobRow(id)).toMatchObject({ status: 'failed', error: replaced });
});

test('an object that is replaced after it was opened is refused, whole or in part', async () => {
  const key = `wallets/sets/${ulid()}/sets.csv`;
  await putObject(bucket, key, sets('old', 3));
  const object = await openObject(bucket, key);
  await putObject(bucket, key, sets('new', 3));
  await expect(Array.fromAsync(object.read())).rejects.toMatchObject(replaced);
  await expect(object.slice(0, 4)).rejects.toMatchObject(replaced);
});
