import type { Context } from 'aws-lambda';
import sql from 'sql-template-tag';
import type * as z from 'zod';
import { query } from '../db/read.ts';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import { Busy, RateLimited, Superseded, TributaryError } from '../kernel/errors.ts';
import { maxReceives } from '../kernel/function.ts';
import { type JobDeclaration, jobNameOf } from '../kernel/job.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import {
  endJob,
  enqueueJob,
  extendLease,
  insertJob,
  type JobError,
  type JobMessage,
  parseParams,
  type Run,
  releaseJob,
  requestAnotherRun,
  setStep,
  startJob,
} from './job.ts';
import { quarantine } from './quarantine.ts';

/** What a job's handler receives. */
export interface JobContext<Params = Record<string, never>> extends Run {
  /** Parsed and normalized. */
  params: Params;
  requestedBy: string;
  /** Sets the current step and the expected number of rows. */
  step(name: string, total?: number): Promise<void>;
}

/** `continue`: the job stopped at a checkpoint and is to be called again. A result is stored with the job. */
export type JobOutcome = 'done' | 'continue' | { result: object };

/** A job and its implementation. */
export interface JobHandler<Name extends string = string> {
  job: JobDeclaration<Name>;
  // biome-ignore lint/suspicious/noExplicitAny: runJob parses the parameters by the job's own schema
  run(context: JobContext<any>): Promise<JobOutcome>;
}

/** Defines the implementation of a job. It receives the parameters parsed and normalized. */
export function handleJob<Job extends JobDeclaration>(
  job: Job,
  run: (context: JobContext<z.output<Job['params']>>) => Promise<JobOutcome>,
): JobHandler<Job['name']> {
  return { job, run };
}

/** A message that requests a job. It has no id if the job is not in `platform.jobs` yet. */
export type StartMessage = Omit<JobMessage, 'jobId' | 'correlationId'> & { jobId?: string; correlationId?: string };

const maxAttempts = 5;
/** SQS delays no message for longer. */
const maxDelaySeconds = 900;
/** Between two tries of a job that waits, so that a `Retry-After: 0` does not keep a worker busy. */
const minWaitSeconds = 5;
const heartbeatMs = 30_000;
/** Reserved for the last batch, between the deadline of a job and the timeout of its function. */
const reserveMs = 60_000;

/** How a message reached the worker. */
export interface Delivery {
  /** How many times SQS has delivered it, including this time. */
  receives: number;
  context: Context;
  /** Aborts when the invocation ends without its work. */
  signal: AbortSignal;
}

/**
 * Runs the job that a message requests, unless another worker holds its lease.
 *
 * Retryable errors queue the job again with a growing delay, up to five attempts without progress. A job that meets a rate
 * limit or another run of its sync waits instead, for as long as it takes. Other errors end it as failed, with the reason
 * in `GET /v1/jobs/{id}`. So does a worker that was cut off each time: the last delivery only says so, because after it
 * the message would move to the dead-letter queue and leave the job running for ever.
 */
export async function runJob(
  handler: JobHandler,
  message: StartMessage,
  { receives, context, signal }: Delivery,
): Promise<void> {
  const { job } = handler;
  const params = normalizeIfValid(job, message.params);
  const { id: jobId } = await insertJob(job, params, message.requestedBy, message.jobId);
  const started = await startJob(jobId);
  if (!started) return requestRunAgain(job, message, jobId);
  const run = { jobId, token: started.token, deadline: deadlineIn(context) };
  let runAgain = false;
  try {
    if (receives >= maxReceives && started.attempt >= maxReceives) throw new CutOff(started.attempt - 1);
    runAgain = await runOnce(handler, run, message, signal);
  } catch (error) {
    runAgain = await endOrRetry(job, run, { ...message, jobId, params }, started.attempt, error);
  }
  if (runAgain) await enqueueJob(job, params, message.requestedBy);
  count('Jobs', 'Count', 1, { job: jobNameOf(job) });
}

/** Invalid parameters are stored as they are: they fail the job, where the caller can see them. */
function normalizeIfValid(job: JobDeclaration, params: Record<string, unknown>): Record<string, unknown> {
  const parsed = job.params.safeParse(params);
  return parsed.success ? parsed.data : params;
}

function deadlineIn(context: Context): Date {
  const remainingMs = context.getRemainingTimeInMillis();
  return new Date(Date.now() + Math.max(remainingMs - reserveMs, remainingMs / 2));
}

/**
 * Extends the lease until it is stopped, or the invocation ends without its work. Stopping waits for an extension that is
 * on its way: after the release it would keep the lease from the message that continues the job.
 */
function keepLease(job: JobDeclaration, run: Run, signal: AbortSignal): () => Promise<void> {
  let extending = Promise.resolve();
  const timer = setInterval(() => {
    extending = extendLease(run).catch((error: unknown) =>
      log.warn('job lease not extended', { job: jobNameOf(job), error }),
    );
  }, heartbeatMs);
  const stop = () => {
    clearInterval(timer);
    return extending;
  };
  signal.addEventListener('abort', () => clearInterval(timer));
  return stop;
}

/** True if the job must run once more. */
async function runOnce(
  { job, run: work }: JobHandler,
  run: Run,
  message: StartMessage,
  signal: AbortSignal,
): Promise<boolean> {
  const params = parseParams(job, message.params);
  const step = (name: string, total?: number) => setStep(run, name, total);
  const stopHeartbeat = keepLease(job, run, signal);
  const outcome = await work({ ...run, params, requestedBy: message.requestedBy, step }).finally(stopHeartbeat);
  if (outcome === 'continue') {
    await releaseJob(run, { dueInSeconds: 0, attempts: 0 });
    await sendMessages(jobsQueueUrl(job), [{ ...message, jobId: run.jobId, params }]);
    return false;
  }
  const result = outcome === 'done' ? {} : { result: outcome.result as Record<string, unknown> };
  const runAgain = await endJob(run, { status: 'succeeded', ...result });
  log.info('job succeeded', { job: jobNameOf(job), jobId: run.jobId });
  return runAgain;
}

/** An event that arrives while its job is running makes the job run once more. Other messages are ignored. */
async function requestRunAgain(job: JobDeclaration, message: StartMessage, runningId: string): Promise<void> {
  if (job.on === undefined) return;
  // a run that ended may have failed to queue the next one: its message comes again
  if (message.jobId !== undefined) return sendIfQueued(job, message);
  if (!(await requestAnotherRun(runningId))) await enqueueJob(job, message.params, message.requestedBy);
  log.debug('job run requested again', { job: jobNameOf(job) });
}

async function sendIfQueued(job: JobDeclaration, { params, requestedBy }: StartMessage): Promise<void> {
  const queued = await query(
    sql`select from platform.jobs where job = ${jobNameOf(job)} and params = ${params} and status = 'queued'`,
    'sync',
  );
  if (queued.length > 0) await enqueueJob(job, params, requestedBy);
}

/** True if the job must run once more. */
async function endOrRetry(
  job: JobDeclaration,
  run: Run,
  message: StartMessage,
  attempt: number,
  error: unknown,
): Promise<boolean> {
  const fields = { job: jobNameOf(job), jobId: run.jobId, attempt, error };
  if (error instanceof CutOff) await quarantineStep(job, run, error);
  const reason = reasonOf(error);
  const waits = error instanceof RateLimited || error instanceof Busy;
  if (waits || (error instanceof TributaryError && error.retryable && attempt < maxAttempts)) {
    const wanted = waits ? Math.max(minWaitSeconds, error.retryAfterSeconds) : 5 * 2 ** attempt;
    const delaySeconds = Math.min(Math.ceil(wanted), maxDelaySeconds);
    log[waits ? 'info' : 'warn'](waits ? 'job waits' : 'job attempt failed', { ...fields, delaySeconds });
    await releaseJob(run, { dueInSeconds: delaySeconds, attempts: waits ? attempt - 1 : attempt, error: reason });
    await sendMessages(jobsQueueUrl(job), [message], delaySeconds);
    return false;
  }
  const isSuperseded = error instanceof Superseded;
  log[isSuperseded ? 'warn' : 'error'](isSuperseded ? 'job superseded' : 'job failed', fields);
  if (isSuperseded) return endJob(run, { status: 'cancelled', error: reason });
  count('JobsFailed', 'Count', 1);
  return endJob(run, { status: 'failed', error: reason });
}

/** What its workers were at when they were cut off, so that the next run goes on without it. */
async function quarantineStep(job: JobDeclaration, { jobId }: Run, { message }: CutOff): Promise<void> {
  const [row] = await query<{ step: string | null }>(sql`select step from platform.jobs where id = ${jobId}`, 'sync');
  if (row?.step) await quarantine(jobNameOf(job), jobId, [{ unit: row.step, reason: message }]);
}

/** The workers of a job were cut off each time. */
class CutOff extends TributaryError {
  constructor(times: number) {
    super(
      'deadline',
      false,
      `The worker was cut off ${times} times: it ran out of time or memory, or was stopped. See its logs, then retry the job.`,
    );
  }
}

function reasonOf(error: unknown): JobError {
  if (error instanceof TributaryError) return { code: error.code, message: error.message };
  return { code: 'internal', message: 'The job failed because of a bug in its code. See the logs for the error.' };
}
