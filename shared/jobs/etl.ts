import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import * as z from 'zod';
import { jobsQueueUrl } from '../env.ts';
import { sendMessages } from '../events/queue.ts';
import type { Domain, JobDeclaration } from '../kernel/declaration.ts';
import { InvalidInput, RateLimited, Superseded, TributaryError } from '../kernel/errors.ts';
import { ulidText } from '../kernel/ulid.ts';
import { withCorrelation } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import { type ImportHandler, importFile } from './import.ts';
import {
  askAgain,
  endJob,
  enqueueJob,
  extendLease,
  insertJob,
  type JobMessage,
  releaseJob,
  setStep,
  startJob,
} from './job.ts';

/** What a job's handler is given. */
export interface JobContext {
  jobId: string;
  params: Record<string, unknown>;
  requestedBy: string;
  /** When to stop at the next checkpoint: a minute before the function's own end. */
  deadline: Date;
  /** Says what the job is at, and how many rows that should come to. */
  step(name: string, total?: number): Promise<void>;
}

/** `continue`: its checkpoint stands and it is to be called again. A result is kept with the job. */
export type JobOutcome = 'done' | 'continue' | { result: object };

export type JobHandler = (context: JobContext) => Promise<JobOutcome>;

const attemptsAtMost = 5;
const longestDelaySeconds = 900;
const heartbeatMs = 30_000;

const jobMessage = z.object({
  job: z.string().regex(/^[a-z]+\.\w+$/),
  jobId: ulidText.optional(),
  params: z.record(z.string(), z.unknown()).default({}),
  requestedBy: z.string().default('unknown'),
  correlationId: z.string().optional(),
});
const notification = z.object({
  Records: z.array(
    z.object({ s3: z.object({ bucket: z.object({ name: z.string() }), object: z.object({ key: z.string() }) }) }),
  ),
});

/**
 * The Lambda handler of a domain's jobs queue: jobs by name, and files dropped into the imports bucket.
 *
 * What may succeed later is queued again with a growing delay, five times at most; what cannot is ended as failed, with
 * its reason in `GET /v1/jobs/{id}`. A job that is being worked on is not begun a second time.
 */
export function createEtl(
  domain: Domain,
  jobs: Record<string, JobHandler>,
  // biome-ignore lint/suspicious/noExplicitAny: each handler takes the rows its own declaration parses
  imports: Record<string, ImportHandler<any>>,
) {
  const missing = [
    ...domain.jobs.filter(({ name }) => !jobs[name]),
    ...domain.imports.filter(({ name }) => !imports[name]),
  ];
  if (missing.length > 0)
    throw new Error(`${domain.name} has no handler for ${missing.map(({ name }) => name).join(', ')}`);
  const all: Record<string, JobHandler> = {
    ...jobs,
    import: async ({ jobId, params, deadline }) => {
      const { bucket, key } = params as { bucket: string; key: string };
      const handler = imports[key.split('/')[1] ?? ''];
      if (!handler)
        throw new InvalidInput(`${key} names no dataset of ${domain.name}: ${Object.keys(imports).join(', ')}.`);
      return importFile(handler, { bucket, key }, { jobId, deadline });
    },
  };
  return async (event: SQSEvent, context: Context): Promise<SQSBatchResponse> => {
    const batchItemFailures: SQSBatchResponse['batchItemFailures'] = [];
    for (const { body, messageId } of event.Records) {
      try {
        for (const message of toMessages(domain, body))
          await withCorrelation(message.correlationId, () => run(domain, all, message, context));
      } catch (error) {
        log.error('a job message could not be handled', { error, messageId });
        batchItemFailures.push({ itemIdentifier: messageId });
      }
    }
    return { batchItemFailures };
  };
}

type StartMessage = Omit<JobMessage, 'jobId' | 'correlationId'> & {
  jobId: string | undefined;
  correlationId: string | undefined;
};

function toMessages(domain: Domain, body: string): StartMessage[] {
  const parsed: unknown = JSON.parse(body);
  const dropped = notification.safeParse(parsed);
  if (dropped.success)
    return dropped.data.Records.map(({ s3 }) => importMessage(domain, s3.bucket.name, decodeKey(s3.object.key)));
  if ((parsed as { Event?: string }).Event === 's3:TestEvent') return [];
  const message = jobMessage.safeParse(parsed);
  if (!message.success) throw new InvalidInput('The message names no job.', [], { cause: message.error });
  return [{ ...message.data, jobId: message.data.jobId, correlationId: message.data.correlationId }];
}

function importMessage(domain: Domain, bucket: string, key: string): StartMessage {
  const jobId = ulidText.safeParse(key.split('/')[2]);
  const params = { bucket, key };
  return {
    job: `${domain.name}.import`,
    jobId: jobId.data,
    params,
    requestedBy: 'imports bucket',
    correlationId: undefined,
  };
}

const decodeKey = (key: string) => decodeURIComponent(key.replaceAll('+', ' '));

async function run(
  domain: Domain,
  jobs: Record<string, JobHandler>,
  message: StartMessage,
  context: Context,
): Promise<void> {
  const { job, params, requestedBy } = message;
  const { id } = await insertJob(job, params, requestedBy, message.jobId);
  const attempt = await startJob(id);
  const name = job.slice(domain.name.length + 1);
  const declared = domain.jobs.find((one) => one.name === name);
  if (attempt === undefined) return runAgainLater(domain, declared, message, id);
  const handler = jobs[name];
  const remainingMs = context.getRemainingTimeInMillis();
  const deadline = new Date(Date.now() + Math.max(remainingMs - 60_000, remainingMs / 2));
  const step = (name: string, total?: number) => setStep(id, name, total);
  const again = { ...message, jobId: id };
  const heartbeat = setInterval(() => {
    extendLease(id).catch((error: unknown) => log.warn('the lease of a job was not extended', { job, error }));
  }, heartbeatMs);
  let runAgain = false;
  try {
    if (!handler) throw new InvalidInput(`There is no job ${job}.`);
    const checked = declared?.params.safeParse(params);
    if (checked?.success === false) throw new InvalidInput(`The parameters of ${job} are not right.`);
    const outcome = await handler({ jobId: id, params, requestedBy, deadline, step });
    if (outcome === 'continue') {
      await releaseJob(id);
      return await sendMessages(jobsQueueUrl(domain.name), [again]);
    }
    const result = outcome === 'done' ? {} : { result: outcome.result as Record<string, unknown> };
    runAgain = await endJob(id, { status: 'succeeded', ...result });
    log.info('a job is done', { job, jobId: id });
  } catch (error) {
    runAgain = await handleFailure(domain, again, attempt, error);
  } finally {
    clearInterval(heartbeat);
  }
  if (runAgain) await enqueueJob(job, params, requestedBy);
  count('Jobs', 'Count', 1, { job });
}

/** A job that events start and that is at work runs once more; any other that is at work is left alone. */
async function runAgainLater(
  domain: Domain,
  declared: JobDeclaration | undefined,
  { job, params, requestedBy, jobId }: StartMessage,
  runningId: string,
): Promise<void> {
  if (jobId !== undefined || declared?.on === undefined) return;
  if (!(await askAgain(runningId))) await enqueueJob(`${domain.name}.${declared.name}`, params, requestedBy);
  log.debug('a job will run once more', { job });
}

async function handleFailure(
  domain: Domain,
  message: StartMessage & { jobId: string },
  attempt: number,
  error: unknown,
): Promise<boolean> {
  const { job, jobId } = message;
  const mayTryAgain = error instanceof TributaryError && error.retryable && attempt < attemptsAtMost;
  const leaves = error instanceof Superseded;
  log[mayTryAgain || leaves ? 'warn' : 'error']('a job has failed', { job, jobId, attempt, error });
  if (mayTryAgain) {
    const wanted = error instanceof RateLimited ? error.retryAfterSeconds : 5 * 2 ** attempt;
    const delaySeconds = Math.min(Math.ceil(wanted), longestDelaySeconds);
    await releaseJob(jobId, delaySeconds);
    await sendMessages(jobsQueueUrl(domain.name), [message], delaySeconds);
    return false;
  }
  const known = error instanceof TributaryError;
  const reason = {
    code: known ? error.code : 'internal',
    message: known ? error.message : 'A bug of ours; the logs say more.',
  };
  // another run of the same work goes on: this one leaves
  if (leaves) return endJob(jobId, { status: 'cancelled', error: reason });
  count('JobsFailed', 'Count', 1, { job });
  return endJob(jobId, { status: 'failed', error: reason });
}
