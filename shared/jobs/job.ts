/**
 * Jobs in `platform.jobs`: what runs outside a request, how it stands, and who asked for it.
 *
 *     queued ──▶ running ──▶ succeeded | failed | cancelled
 *
 * A job is queued or running once (by its name and parameters). Whoever works on it holds its lease and keeps extending
 * it; a second message of the same job finds the lease and leaves. A worker that dies lets it run out, and the message
 * that comes again takes the job over. Cancelling is seen at the next batch: its transaction does not commit.
 */
import sql from 'sql-template-tag';
import { query } from '../db/read.ts';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import { Conflict, Superseded } from '../kernel/errors.ts';
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

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

const leaseSeconds = 120;

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
  const { id, status } = await insertJob(job, params, requestedBy);
  const message: JobMessage = { job, jobId: id, params, requestedBy, correlationId: correlationId() };
  // one that is queued may have lost its message; a second one does no harm
  if (status === 'queued') await sendMessages(jobsQueueUrl(job.split('.')[0]!), [message]);
  return id;
}

/** Makes sure that a job has its row, for a message that came without one: a schedule's, or a dropped file's. */
export async function insertJob(
  job: string,
  params: Record<string, unknown>,
  requestedBy: string,
  id = ulid(),
): Promise<{ id: string; status: JobStatus }> {
  return inTransaction(async (tx) => {
    const inserted = await tx.query<{ id: string }>(
      `insert into platform.jobs (id, job, params, requested_by, correlation_id) values ($1, $2, $3, $4, $5)
       on conflict do nothing returning id`,
      [id, job, params, requestedBy, correlationId()],
    );
    if (inserted.rows.length > 0) return { id, status: 'queued' };
    const standing = await tx.query<{ id: string; status: JobStatus }>(
      `select id, status from platform.jobs
       where id = $1 or (job = $2 and params = $3 and status in ('queued', 'running')) order by (id = $1) desc limit 1`,
      [id, job, params],
    );
    return standing.rows[0] ?? { id, status: 'queued' };
  });
}

/**
 * Takes the lease of a job and gives which attempt this is; undefined if it has ended already or another is at work on
 * it: its message came again.
 */
export async function startJob(jobId: string): Promise<number | undefined> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ attempts: number }>(
      `update platform.jobs set status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
         updated_at = now(), error = null,
         lease_until = clock_timestamp() + make_interval(secs => $2)
       where id = $1 and status in ('queued', 'running') and (lease_until is null or lease_until < clock_timestamp())
       returning attempts`,
      [jobId, leaseSeconds],
    ),
  );
  return rows[0]?.attempts;
}

/** Extends the lease of a job that is being worked on; to be called well within the two minutes it lasts. */
export async function extendLease(jobId: string): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set lease_until = clock_timestamp() + make_interval(secs => $2)
       where id = $1 and status = 'running'`,
      [jobId, leaseSeconds],
    ),
  );
}

/** Gives the lease back for a message that goes on with the job; nobody else takes it before the message is due. */
export async function releaseJob(jobId: string, dueInSeconds = 0): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set lease_until = clock_timestamp() + make_interval(secs => $2) where id = $1`,
      // a little less, so that the message does not come too soon
      [jobId, Math.max(0, dueInSeconds - 1)],
    ),
  );
}

/** Asks a running job to run once more when it is done; false if it is not running any more. */
export async function askAgain(jobId: string): Promise<boolean> {
  const { rowCount } = await inTransaction((tx) =>
    tx.query(`update platform.jobs set run_again = true where id = $1 and status = 'running'`, [jobId]),
  );
  return rowCount === 1;
}

/** Ends a job that has not ended; its worker stops at its next batch. @throws Conflict  it has ended already */
export async function cancelJob(jobId: string, by: string): Promise<void> {
  const { rowCount } = await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set status = 'cancelled', error = $2, step = null, lease_until = null, updated_at = now(),
         finished_at = now()
       where id = $1 and status in ('queued', 'running')`,
      [jobId, { code: 'cancelled', message: `Cancelled by ${by}.` }],
    ),
  );
  if (rowCount === 0) throw new Conflict('The job has ended already.', { details: { jobId } });
}

/** Adds what was counted, in the transaction that applied it. @throws Superseded  the job was cancelled: nothing may commit */
export async function addProgress(tx: Transaction, jobId: string, counts: Counts, percent?: number): Promise<void> {
  const { rowCount } = await tx.query(
    `update platform.jobs set rows_read = rows_read + $2, rows_applied = rows_applied + $3,
       rows_unchanged = rows_unchanged + $4, rows_rejected = rows_rejected + $5,
       percent = coalesce($6, percent), updated_at = now() where id = $1 and status <> 'cancelled'`,
    [jobId, counts.read, counts.applied, counts.unchanged, counts.rejected, percent ?? null],
  );
  if (rowCount === 0) throw new Superseded('The job was cancelled.', { details: { jobId } });
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

/** How a job ended. */
export interface JobEnd {
  status: 'succeeded' | 'failed' | 'cancelled';
  error?: { code: string; message: string };
  /** What it has to tell: a report, the drift it found. */
  result?: Record<string, unknown>;
}

/** Ends a job; true if it was asked for again while it ran. */
export async function endJob(jobId: string, { status, error, result }: JobEnd): Promise<boolean> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ run_again: boolean }>(
      `update platform.jobs set status = $2, error = $3, result = $4, step = null,
         percent = case when $2 = 'succeeded' then 100 else percent end, lease_until = null, updated_at = now(),
         finished_at = now()
       where id = $1 and status in ('queued', 'running')
       returning run_again`,
      [jobId, status, error ?? null, result ?? null],
    ),
  );
  return rows[0]?.run_again ?? false;
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
