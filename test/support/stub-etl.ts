import type { Context, SQSBatchResponse } from 'aws-lambda';
import { createEtl } from '../../shared/jobs/etl.ts';
import { handleJob, type JobContext, type JobOutcome } from '../../shared/jobs/run-job.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { sqsEvent } from './sqs-event.ts';

/** A domain's jobs function in which `work` runs every job. The result hands it one message, as SQS would. */
export function stubEtl(
  domain: Domain,
  // biome-ignore lint/suspicious/noExplicitAny: the parameters of any of the domain's jobs
  work: (context: JobContext<any>) => Promise<JobOutcome>,
): (message: unknown, remainingMs?: number, receives?: number) => Promise<SQSBatchResponse> {
  const handlers = Object.fromEntries(Object.values(domain.jobs).map((job) => [job.name, handleJob(job, work)]));
  const apply = async () => ({ applied: 0, unchanged: 0 });
  const datasets = Object.fromEntries(
    Object.values(domain.datasets).map((dataset) => [dataset.key, { dataset, apply }]),
  );
  const etl = createEtl(domain, handlers, datasets);
  return (message, remainingMs = 600_000, receives = 1) =>
    etl(sqsEvent(message, receives), { getRemainingTimeInMillis: () => remainingMs } as Context);
}
