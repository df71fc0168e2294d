/** Jobs in `platform.jobs`: what runs outside a request, how it stands, and who asked for it. */
import sql from 'sql-template-tag';
import { query } from '../db/read.ts';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import { ulid } from '../kernel/ulid.ts';
import { correlationId } from '../observability/correlation.ts';

/** The message that starts or continues a job. */
export interface JobMessage {
  job: string;
  jobId: string;
  params: Record<string, unknown>;
  requestedBy: string;
  correlationId: string;
}

/** Rows counted since the last commit. */
export interface Counts {
  read: number;
  applied: number;
  unchanged: number;
  rejected: number;
}

/**
 * Queues a job of a domain (`collections.loadCollection`) and gives its id; the id of the same job with the same
 * parameters where one is queued or running already.
 *
 * @throws Unavailable  the database or SQS failed (retryable)
 */
export async function enqueueJob(job: string, params: Record<string, unknown>, requestedBy: string): Promise<string> {
  const jobId = await insertJob(job, params, requestedBy);
  const message: JobMessage = { job, jobId: jobId.id, params, requestedBy, correlationId: correlationId() };
  if (jobId.isNew) await sendMessages(jobsQueueUrl(job.split('.')[0]!), [message]);
  return jobId.id;
}

/** Makes sure that a job has its row, for a message that came without one: a schedule's, or a dropped file's. */
export async function insertJob(
  job: string,
  params: Record<string, unknown>,
  requestedBy: string,
  id = ulid(),
): Promise<{ id: string; isNew: boolean }> {
  return inTransaction(async (tx) => {
    const inserted = await tx.query<{ id: string }>(
      `insert into platform.jobs (id, job, params, requested_by, correlation_id) values ($1, $2, $3, $4, $5)
       on conflict do nothing returning id`,
      [id, job, params, requestedBy, correlationId()],
    );
    if (inserted.rows.length > 0) return { id, isNew: true };
    const standing = await tx.query<{ id: string }>(
      `select id from platform.jobs
       where id = $1 or (job = $2 and params = $3 and status in ('queued', 'running')) order by (id = $1) desc limit 1`,
      [id, job, params],
    );
    return { id: standing.rows[0]?.id ?? id, isNew: false };
  });
}

/** Marks a job as running and gives which attempt this is; undefined if it has ended already: its message came again. */
export async function startJob(jobId: string): Promise<number | undefined> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ attempts: number }>(
      `update platform.jobs set status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
         updated_at = now(), error = null
       where id = $1 and status in ('queued', 'running') returning attempts`,
      [jobId],
    ),
  );
  return rows[0]?.attempts;
}

/** Adds what was counted, in the transaction that applied it. */
export async function addProgress(tx: Transaction, jobId: string, counts: Counts, percent?: number): Promise<void> {
  await tx.query(
    `update platform.jobs set rows_read = rows_read + $2, rows_applied = rows_applied + $3,
       rows_unchanged = rows_unchanged + $4, rows_rejected = rows_rejected + $5,
       percent = coalesce($6, percent), updated_at = now() where id = $1`,
    [jobId, counts.read, counts.applied, counts.unchanged, counts.rejected, percent ?? null],
  );
}

/** Says what a job is at, and how many rows that should come to. */
export async function setStep(jobId: string, step: string, total?: number): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set step = $2, rows_total = coalesce($3, rows_total), updated_at = now() where id = $1`,
      [jobId, step, total ?? null],
    ),
  );
}

/** Ends a job. */
export async function endJob(jobId: string, error?: { code: string; message: string }): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set status = case when $2::jsonb is null then 'succeeded' else 'failed' end, error = $2,
         step = null, percent = case when $2::jsonb is null then 100 else percent end, updated_at = now(), finished_at = now()
       where id = $1 and status in ('queued', 'running')`,
      [jobId, error ?? null],
    ),
  );
}

/** What was counted of a job so far. */
export async function countsOf(jobId: string): Promise<Counts> {
  const [row] = await query<Record<keyof Counts, string>>(
    sql`select rows_read as read, rows_applied as applied, rows_unchanged as unchanged, rows_rejected as rejected
        from platform.jobs where id = ${jobId}`,
    'sync',
  );
  const { read = '0', applied = '0', unchanged = '0', rejected = '0' } = row ?? {};
  return { read: Number(read), applied: Number(applied), unchanged: Number(unchanged), rejected: Number(rejected) };
}
