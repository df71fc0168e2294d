/** A domain under test: its API and its jobs, called as Lambda calls them, on the suite's own database. */

import { readFile } from 'node:fs/promises';
import type { Context } from 'aws-lambda';
import { domains } from '../../functions/registry.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { createCaller } from './api.ts';
import { createDatabase } from './database.ts';
import { createBucket, createQueue, drain, putObject } from './queues.ts';
import { sqsEvent } from './sqs-event.ts';
import { upstreamEnvironment } from './upstreams.ts';

export interface JobRow {
  id: string;
  status: string;
  rows_read: number;
  rows_applied: number;
  rows_unchanged: number;
  rows_rejected: number;
  error: { code: string; message: string } | null;
  result: Record<string, unknown> | null;
}

export async function createTestDomain(name: string, environment: Record<string, string> = {}) {
  const domain = domains.find((one) => one.name === name)!;
  const [jobs, relay, bucket] = await Promise.all([createQueue('jobs'), createQueue('relay'), createBucket()]);
  const database = await createDatabase({
    ...Object.fromEntries(['PROMPT', 'BULK'].map((lane) => [`JOBS_QUEUE_URL_${name.toUpperCase()}_${lane}`, jobs.url])),
    RELAY_QUEUE_URL: relay.url,
    IMPORTS_BUCKET: bucket,
    ...upstreamEnvironment(domain),
    ...environment,
  });
  const { handler: api } = await import(`../../functions/${name}/api.ts`);
  const { handler: etl } = await import(`../../functions/${name}/etl.ts`);
  const call = createCaller(domain, api as never);

  /** Passes one message to the jobs function. `remainingMs` is the time that the job sees; the invocation itself has enough. */
  const runMessage = (message: unknown, remainingMs = 600_000): Promise<unknown> => {
    let calls = 0;
    return etl(sqsEvent(message), {
      getRemainingTimeInMillis: () => (calls++ === 0 ? 600_000 : remainingMs),
    } as Context);
  };
  /** Runs the jobs function on the messages of the jobs queue until it is empty. */
  const drainJobs = async () => {
    for (let messages = await drain(jobs.url); messages.length > 0; messages = await drain(jobs.url))
      for (const message of messages) await runMessage(message);
  };
  const jobRow = async (id: string): Promise<JobRow> => {
    const { rows } = await database.pool.query(
      `select id, status, rows_read::int, rows_applied::int, rows_unchanged::int, rows_rejected::int, error, result from platform.jobs where id = $1`,
      [id],
    );
    return rows[0];
  };
  /** Uploads a file to the bucket and runs its import. */
  const importFile = async (
    dataset: string,
    file: string,
    content: Buffer | string,
    set: Record<string, string> = {},
  ) => {
    const jobId = ulid();
    const key = `${name}/${dataset}/${jobId}/${file}`;
    await putObject(bucket, key, content, set);
    await runMessage({ Records: [{ s3: { bucket: { name: bucket }, object: { key } } }] });
    return jobRow(jobId);
  };
  const outboxSize = async (): Promise<number> =>
    (await database.pool.query<{ n: number }>('select count(*)::int as n from platform.outbox')).rows[0]!.n;

  return {
    database,
    bucket,
    jobsQueue: jobs,
    relayQueue: relay,
    call,
    runMessage,
    drainJobs,
    importFile,
    jobRow,
    outboxSize,
  };
}

const dataFolder = new URL('../../../shared/data/', import.meta.url);

/** A file of real data; undefined if the data is not next to the checkout. */
export async function realFile(path: string): Promise<Buffer | undefined> {
  return readFile(new URL(path, dataFolder)).catch(() => undefined);
}
