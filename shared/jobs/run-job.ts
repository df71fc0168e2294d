import type { Context } from 'aws-lambda';
import type * as z from 'zod';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import { RateLimited, Superseded, TributaryError } from '../kernel/errors.ts';
import { type JobDeclaration, jobNameOf } from '../kernel/job.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import {
  endJob,
  enqueueJob,
  extendLease,
  insertJob,
  type JobMessage,
  parseParams,
  type Run,
  releaseJob,
  requestAnotherRun,
  setStep,
  startJob,
} from './job.ts';

/** What a job's handler gets. */
export interface JobContext<Params = Record<string, never>> extends Run {
  /** Parsed and normalized. */
  params: Params;
  requestedBy: string;
  /** Sets the current step, and how many rows it expects. */
  step(name: string, total?: number): Promise<void>;
}

/** `continue`: stopped at a checkpoint, to be called again. A result is stored with the job. */
export type JobOutcome = 'done' | 'continue' | { result: object };

/** A job and what runs it. */
export interface JobHandler<Name extends string = string> {
  job: JobDeclaration<Name>;
  // biome-ignore lint/suspicious/noExplicitAny: runJob parses the parameters by the job's own schema
  run(context: JobContext<any>): Promise<JobOutcome>;
}

/** Says what runs a job. It gets the parameters parsed and normalized. */
export function handleJob<Job extends JobDeclaration>(
  job: Job,
  run: (context: JobContext<z.output<Job['params']>>) => Promise<JobOutcome>,
): JobHandler<Job['name']> {
  return { job, run };
}

/** A message that asks for a job: without an id where nobody has queued it yet. */
export type StartMessage = Omit<JobMessage, 'jobId' | 'correlationId'> & { jobId?: string; correlationId?: string };

const maxAttempts = 5;
const maxDelaySeconds = 900;
const heartbeatMs = 30_000;
/** Left between the deadline of a job and the end of its function, for the last batch. */
const reserveMs = 60_000;

/**
 * Runs the job that a message asks for, unless another worker has it.
 *
 * What may succeed later is queued again with a growing delay, five attempts in all. What cannot ends the job as failed,
 * with the reason in `GET /v1/jobs/{id}`.
 */
export async function runJob(handler: JobHandler, message: StartMessage, context: Context): Promise<void> {
  const { job } = handler;
  const params = normalizedOr(job, message.params);
  const { id: jobId } = await insertJob(job, params, message.requestedBy, message.jobId);
  const started = await startJob(jobId);
  if (!started) return requestRunAfter(job, message, jobId);
  const run = { jobId, token: started.token, deadline: deadlineIn(context) };
  const stopHeartbeat = keepLease(job, run);
  let runAgain = false;
  try {
    runAgain = await runOnce(handler, run, message);
  } catch (error) {
    runAgain = await endOrRetry(job, run, { ...message, jobId, params }, started.attempt, error);
  } finally {
    stopHeartbeat();
  }
  if (runAgain) await enqueueJob(job, params, message.requestedBy);
  count('Jobs', 'Count', 1, { job: jobNameOf(job) });
}

/** Parameters that are wrong keep their form: they fail the job, where their sender sees them. */
function normalizedOr(job: JobDeclaration, params: Record<string, unknown>): Record<string, unknown> {
  const parsed = job.params.safeParse(params);
  return parsed.success ? parsed.data : params;
}

function deadlineIn(context: Context): Date {
  const remainingMs = context.getRemainingTimeInMillis();
  return new Date(Date.now() + Math.max(remainingMs - reserveMs, remainingMs / 2));
}

function keepLease(job: JobDeclaration, run: Run): () => void {
  const timer = setInterval(() => {
    extendLease(run).catch((error: unknown) => log.warn('job lease not extended', { job: jobNameOf(job), error }));
  }, heartbeatMs);
  return () => clearInterval(timer);
}

/** True if the job is to run once more. */
async function runOnce({ job, run: work }: JobHandler, run: Run, message: StartMessage): Promise<boolean> {
  const params = parseParams(job, message.params);
  const step = (name: string, total?: number) => setStep(run, name, total);
  const outcome = await work({ ...run, params, requestedBy: message.requestedBy, step });
  if (outcome === 'continue') {
    await releaseJob(run);
    await sendMessages(jobsQueueUrl(job), [{ ...message, jobId: run.jobId, params }]);
    return false;
  }
  const result = outcome === 'done' ? {} : { result: outcome.result as Record<string, unknown> };
  const runAgain = await endJob(run, { status: 'succeeded', ...result });
  log.info('job succeeded', { job: jobNameOf(job), jobId: run.jobId });
  return runAgain;
}

/** An event that arrives while its job runs makes the job run once more; any other message of a running job is done. */
async function requestRunAfter(job: JobDeclaration, message: StartMessage, runningId: string): Promise<void> {
  if (message.jobId !== undefined || job.on === undefined) return;
  if (!(await requestAnotherRun(runningId))) await enqueueJob(job, message.params, message.requestedBy);
  log.debug('another run of a job requested', { job: jobNameOf(job) });
}

/** True if the job is to run once more. */
async function endOrRetry(
  job: JobDeclaration,
  run: Run,
  message: StartMessage,
  attempt: number,
  error: unknown,
): Promise<boolean> {
  const isOurs = error instanceof TributaryError;
  const retries = isOurs && error.retryable && attempt < maxAttempts;
  const isSuperseded = error instanceof Superseded;
  const fields = { job: jobNameOf(job), jobId: run.jobId, attempt, error };
  if (retries) {
    const wantedSeconds = error instanceof RateLimited ? error.retryAfterSeconds : 5 * 2 ** attempt;
    const delaySeconds = Math.min(Math.ceil(wantedSeconds), maxDelaySeconds);
    log.warn('job attempt failed', { ...fields, delaySeconds });
    await releaseJob(run, delaySeconds);
    await sendMessages(jobsQueueUrl(job), [message], delaySeconds);
    return false;
  }
  log[isSuperseded ? 'warn' : 'error'](isSuperseded ? 'job superseded' : 'job failed', fields);
  const reason = isOurs
    ? { code: error.code, message: error.message }
    : { code: 'internal', message: 'The job failed because of a fault in its code. The logs have the error.' };
  if (isSuperseded) return endJob(run, { status: 'cancelled', error: reason });
  count('JobsFailed', 'Count', 1, { job: jobNameOf(job) });
  return endJob(run, { status: 'failed', error: reason });
}
