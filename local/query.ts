/** `npm run query -- "SELECT …"`: asks the archive of the running system, in DuckDB's SQL. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { S3Client } from '@aws-sdk/client-s3';
import { askArchive, openArchive, type QueryAnswer } from './archive-files.ts';
import { readLock } from './lock.ts';

const usage = 'npm run query -- "SELECT … FROM portfolio.price_snapshots"';

const folder = await mkdtemp(join(tmpdir(), 'tributary-query-'));
try {
  const [sql, ...more] = process.argv.slice(2);
  if (!sql || more.length > 0) throw new Error(`Usage: ${usage}`);
  print(await ask(sql));
} catch (error) {
  console.error((error as Error).message.split('\n')[0]);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function ask(sql: string): Promise<QueryAnswer> {
  const running = await readLock(fileURLToPath(new URL('../.tributary/', import.meta.url)));
  if (!running?.s3Url || !running.archiveBucket) throw new Error('Tributary is not running. Start it with npm start.');
  const s3 = new S3Client({
    endpoint: running.s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const connection = await openArchive(s3, running.archiveBucket, folder).catch((error: Error & { code?: string }) => {
    if (error.code === 'ECONNREFUSED') throw new Error('Tributary is not running. Start it with npm start.');
    throw error;
  });
  return askArchive(connection, sql);
}

function print({ columns, rows }: QueryAnswer): void {
  const lines = [columns, ...rows.map((row) => row.map((value) => value ?? 'NULL'))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  for (const line of lines)
    console.log(
      line
        .map((value, i) => value.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  console.log(`(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`);
}
