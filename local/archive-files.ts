/** The files of the archive in DuckDB, as tables with the names that they have in Postgres. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { type DuckDBConnection, DuckDBInstance, StatementType } from '@duckdb/node-api';

/** A version of a file, of one month of a table. */
interface Version {
  key: string;
  table: string;
  month: string;
}

/** The answer to a query: the names of its columns, and its rows as text. */
export interface QueryAnswer {
  columns: string[];
  rows: (string | null)[][];
}

const keyForm = /^table=([a-z_]+\.[a-z_0-9]+)\/month=(\d{4}-\d\d)\/([^/_][^/]*)\.parquet$/;

/**
 * Downloads the newest version of each file into a folder, and opens DuckDB on them. DuckDB's own access to S3 is an
 * extension that has to be downloaded, so the files are read by this process.
 */
export async function openArchive(s3: S3Client, bucket: string, folder: string): Promise<DuckDBConnection> {
  const versions = await newestVersions(s3, bucket);
  for (const { key } of versions) await download(s3, bucket, key, join(folder, key));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(
    `set allowed_directories = ['${folder}']; set enable_external_access = false; set timezone = 'UTC'`,
  );
  for (const [table, files] of Map.groupBy(versions, (version) => version.table)) {
    const [schema] = table.split('.');
    const paths = files.map(({ key }) => `'${join(folder, key)}'`).join(', ');
    // decimals have other scales in other months
    await connection.run(`create schema if not exists ${schema}; create view ${table} as
      select * from read_parquet([${paths}], union_by_name = true, hive_partitioning = false)`);
  }
  await connection.run('set lock_configuration = true');
  return connection;
}

/** Runs one query. @throws Error  it is not one SELECT, or DuckDB refuses it */
export async function askArchive(connection: DuckDBConnection, sql: string): Promise<QueryAnswer> {
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw new Error(`Give one statement, not ${statements.count}.`);
  const prepared = await statements.prepare(0);
  if (prepared.statementType !== StatementType.SELECT)
    throw new Error('Only SELECT is allowed: the archive is read-only.');
  const reader = await prepared.runAndReadAll();
  const rows = reader.getRows().map((row) => row.map((value) => (value === null ? null : String(value))));
  return { columns: reader.columnNames(), rows };
}

/** A version counts once its manifest is there, which is written after it. */
async function newestVersions(s3: S3Client, bucket: string): Promise<Version[]> {
  const keys = await list(s3, bucket);
  const described = new Set(keys);
  const newest = new Map<string, Version>();
  for (const key of keys.sort()) {
    const [, table, month, version] = keyForm.exec(key) ?? [];
    if (!table || !month || !described.has(`table=${table}/month=${month}/_${version}.json`)) continue;
    newest.set(`${table} ${month}`, { key, table, month });
  }
  return [...newest.values()];
}

async function list(s3: S3Client, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    token = page.NextContinuationToken;
  }
  return keys;
}

async function download(s3: S3Client, bucket: string, key: string, path: string): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, await Body!.transformToByteArray());
}
