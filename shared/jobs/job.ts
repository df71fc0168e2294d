/**
 * Jobs in `platform.jobs`: work outside requests, its progress, and who asked for it.
 *
 *     queued ──▶ running ──▶ succeeded | failed | cancelled
 *
 * A job with a given name and normalized parameters is queued or running at most once. Its worker holds the job's lease
 * under its own token and keeps extending it; a worker that gets a second message for the job finds the lease and
 * stops. If a worker dies or stalls, its lease expires, and the message that SQS delivers again starts a new worker
 * with a new token. From then on the old worker can change neither the job's progress nor its end, and no batch of its
 * syncs commits. Cancelling works the same way. (What a job commits outside of a sync is not checked against the token.)
 */
import type * as z from 'zod';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import { Conflict, InvalidInput, Superseded } from '../kernel/errors.ts';
import { type JobDeclaration, jobNameOf } from '../kernel/job.ts';
import { ulid } from '../kernel/ulid.ts';
import { correlationId } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';

/** The message that starts or continues a job. */
export interface JobMessage {
  job: string;
  jobId: string;
  params: Record<string, unknown>;
  requestedBy: string;
  correlationId: string;
}

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** A worker's run of a job. */
export interface Run {
  jobId: string;
  /** The token of this worker's lease. */
  token: string;
  /** When to stop at the next checkpoint. */
  deadline: Date;
}

const leaseSeconds = 120;

/** Numbers of rows. */
export interface Counts {
  read: number;
  applied: number;
  unchanged: number;
  rejected: number;
}

/**
 * Queues a job and returns its id. If the same job with the same parameters is queued or running, returns that one's
 * id.
 *
 * @throws InvalidInput  the parameters are invalid
 * @throws Unavailable   the database or SQS failed (retryable)
 */
export async function enqueueJob<Job extends JobDeclaration>(
  job: Job,
  params: z.input<Job['params']>,
  requestedBy: string,
): Promise<string> {
  const normalized = parseParams(job, params);
  const { id, isWaiting } = await insertJob(job, normalized, requestedBy);
  const message: JobMessage = {
    job: jobNameOf(job),
    jobId: id,
    params: normalized,
    requestedBy,
    correlationId: correlationId(),
  };
  // its message may have been lost; a second one is harmless
  if (isWaiting) await sendMessages(jobsQueueUrl(job), [message]);
  return id;
}

/** Postgres indexes a job's parameters, and its index entries are small. */
const maxParamsBytes = 2_000;

/** The parsed and normalized parameters of a job. @throws InvalidInput  lists each invalid field */
export function parseParams<Job extends JobDeclaration>(job: Job, params: unknown): z.output<Job['params']> {
  const result = job.params.safeParse(params);
  if (result.success && Buffer.byteLength(JSON.stringify(result.data)) > maxParamsBytes)
    throw new InvalidInput(`The parameters for ${jobNameOf(job)} are larger than ${maxParamsBytes} bytes.`);
  if (result.success) return result.data as z.output<Job['params']>;
  const fields = result.error.issues.map(({ path, message }) => ({ field: ['params', ...path].join('.'), message }));
  const [first] = fields;
  throw new InvalidInput(`Invalid parameters for ${jobNameOf(job)}: ${first!.field} ${first!.message}.`, fields);
}

/**
 * Inserts a job's row if needed: messages from a schedule, an event, or an uploaded file have none yet. `isWaiting`: no
 * worker has it now.
 *
 * @throws Conflict  the id belongs to another job
 */
export async function insertJob(
  job: JobDeclaration,
  params: Record<string, unknown>,
  requestedBy: string,
  id = ulid(),
): Promise<{ id: string; isWaiting: boolean }> {
  // one that ended between the two statements leaves room for a new one
  const found =
    (await insertOrFind(job, params, requestedBy, id)) ?? (await insertOrFind(job, params, requestedBy, id));
  if (!found) throw new Conflict(`The id ${id} belongs to another job.`, { details: { id } });
  return found;
}

async function insertOrFind(
  job: JobDeclaration,
  params: Record<string, unknown>,
  requestedBy: string,
  id: string,
): Promise<{ id: string; isWaiting: boolean } | undefined> {
  const name = jobNameOf(job);
  return inTransaction(async (tx) => {
    const inserted = await tx.query(
      `insert into platform.jobs (id, job, params, requested_by, correlation_id) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [id, name, params, requestedBy, correlationId()],
    );
    if (inserted.rowCount === 1) return { id, isWaiting: true };
    const existing = await tx.query<{ id: string; isWaiting: boolean }>(
      `select id, status = 'queued' or (status = 'running' and lease_until < clock_timestamp()) as "isWaiting"
       from platform.jobs
       where job = $2 and (id = $1 or (params = $3 and status in ('queued', 'running'))) order by (id = $1) desc limit 1`,
      [id, name, params],
    );
    return existing.rows[0];
  });
}

/** Takes the lease of a job. Undefined if the job has ended or another worker holds its lease. */
export async function startJob(jobId: string): Promise<{ attempt: number; token: string } | undefined> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ attempt: number; token: string }>(
      `update platform.jobs set status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
         updated_at = now(), error = null, lease_token = gen_random_uuid(),
         lease_until = clock_timestamp() + make_interval(secs => $2)
       where id = $1 and status in ('queued', 'running') and (lease_until is null or lease_until < clock_timestamp())
       returning attempts as attempt, lease_token::text as token`,
      [jobId, leaseSeconds],
    ),
  );
  return rows[0];
}

/** Extends the lease of a running job. A lease lasts two minutes; one that has ended is not taken up again. */
export async function extendLease({ jobId, token }: Run): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set lease_until = clock_timestamp() + make_interval(secs => $3)
       where id = $1 and lease_token = $2 and status = 'running' and lease_until > clock_timestamp()`,
      [jobId, token, leaseSeconds],
    ),
  );
}

/** How a job goes on after this worker. */
export interface Release {
  dueInSeconds: number;
  /** The number of attempts that count so far. */
  attempts: number;
  /** Why it waits. Default: it does not. */
  error?: JobError;
}

/**
 * Releases the lease to the message that continues the job. No other worker can take it before that message is due. The
 * token remains valid until another worker starts, so that this one can still end the job if sending the message fails.
 */
export async function releaseJob({ jobId, token }: Run, { dueInSeconds, attempts, error }: Release): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set attempts = $4, error = $5, lease_until = clock_timestamp() + make_interval(secs => $3)
       where id = $1 and lease_token = $2`,
      // slightly less, so that the message does not arrive before the lease ends
      [jobId, token, Math.max(0, dueInSeconds - 1), attempts, error ?? null],
    ),
  );
}

/** Makes a running job run once more after it ends. False if it is no longer running. */
export async function requestAnotherRun(jobId: string): Promise<boolean> {
  const { rowCount } = await inTransaction((tx) =>
    tx.query(`update platform.jobs set run_again = true where id = $1 and status = 'running'`, [jobId]),
  );
  return rowCount === 1;
}

/**
 * Cancels a job. Its worker stops at the next batch. True if another run was requested meanwhile.
 *
 * @throws Conflict  the job has already ended
 */
export async function cancelJob(jobId: string, by: string): Promise<boolean> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ run_again: boolean }>(
      `update platform.jobs set status = 'cancelled', error = $2, step = null, lease_token = null, lease_until = null,
         updated_at = now(), finished_at = now()
       where id = $1 and status in ('queued', 'running')
       returning run_again`,
      [jobId, { code: 'cancelled', message: `Cancelled by ${by}.` }],
    ),
  );
  if (!rows[0]) throw new Conflict('The job has already ended.', { details: { jobId } });
  return rows[0].run_again;
}

/**
 * Adds to the job's counts, in the transaction that applied the rows, and returns them.
 *
 * @throws Superseded  the job was cancelled, or another worker holds its lease: the transaction must not commit
 */
export async function addProgress(tx: Transaction, run: Run, counts: Counts, percent?: number): Promise<Counts> {
  const { rows } = await tx.query<Counts>(
    `update platform.jobs set rows_read = rows_read + $3, rows_applied = rows_applied + $4,
       rows_unchanged = rows_unchanged + $5, rows_rejected = rows_rejected + $6,
       percent = coalesce($7, percent), updated_at = now() where id = $1 and lease_token = $2
     returning rows_read::float8 as read, rows_applied::float8 as applied, rows_unchanged::float8 as unchanged,
       rows_rejected::float8 as rejected`,
    [run.jobId, run.token, counts.read, counts.applied, counts.unchanged, counts.rejected, percent ?? null],
  );
  if (!rows[0])
    throw new Superseded('The job was cancelled or taken over by another worker.', { details: { jobId: run.jobId } });
  return rows[0];
}

/** Sets the current step of a job and the expected number of rows. */
export async function setStep({ jobId, token }: Run, step: string, total?: number): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.jobs set step = $3, rows_total = coalesce($4, rows_total), updated_at = now()
       where id = $1 and lease_token = $2`,
      [jobId, token, step, total ?? null],
    ),
  );
}

/** Why a job failed, or is waiting. */
export interface JobError {
  code: string;
  message: string;
}

/** How a job ended. */
export interface JobEnd {
  status: 'succeeded' | 'failed' | 'cancelled';
  error?: JobError;
  /** Its report, for example the drift it found. */
  result?: Record<string, unknown>;
}

/** Ends a job, unless another worker has taken it over. True if another run was requested in the meantime. */
export async function endJob({ jobId, token }: Run, { status, error, result }: JobEnd): Promise<boolean> {
  const { rows } = await inTransaction((tx) =>
    tx.query<{ run_again: boolean }>(
      `update platform.jobs set status = $3, error = $4, result = $5, step = null,
         percent = case when $3 = 'succeeded' then 100 else percent end, lease_token = null, lease_until = null,
         updated_at = now(), finished_at = now()
       where id = $1 and lease_token = $2
       returning run_again`,
      [jobId, token, status, error ?? null, result ?? null],
    ),
  );
  if (rows.length === 0) log.warn('job end ignored, lease lost', { jobId, status });
  return rows[0]?.run_again ?? false;
}
