import sql from 'sql-template-tag';
import * as z from 'zod';
import { query } from '../db/read.ts';
import type { Domain } from '../kernel/domain.ts';
import { InvalidInput } from '../kernel/errors.ts';
import { importJobOf, type JobDeclaration, jobNameOf } from '../kernel/job.ts';
import { ulidText } from '../kernel/ulid.ts';
import { queueHandler } from '../lambda/queue-handler.ts';
import { withCorrelation } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { type DatasetHandler, importFile } from './import.ts';
import { type Delivery, handleJob, type JobHandler, runJob, type StartMessage } from './run-job.ts';

/** A handler for each job that a domain declares. */
export type JobHandlers<D extends Domain> = {
  readonly [Name in keyof D['jobs'] & string]: JobHandler<Name>;
};

/** A handler for each dataset that a domain declares. */
export type DatasetHandlers<D extends Domain> = {
  readonly [Key in keyof D['datasets'] & string]: DatasetHandler<Key>;
};

const jobMessage = z.object({
  job: z.string(),
  jobId: ulidText.optional(),
  params: z.record(z.string(), z.unknown()).default({}),
  requestedBy: z.string().default('unknown'),
  correlationId: z.string().optional(),
});
const upload = z.object({
  bucket: z.object({ name: z.string() }),
  object: z.object({ key: z.string(), eTag: z.string().optional() }),
});
const uploadNotice = z.object({ Records: z.array(z.object({ s3: upload })) });

/**
 * The Lambda handler of a domain's job queues: runs jobs by name, and imports files uploaded to the imports bucket. A
 * message that names no job of the domain is delivered again until it moves to the dead-letter queue.
 */
export function createEtl<D extends Domain>(domain: D, jobs: JobHandlers<D>, datasets: DatasetHandlers<D>) {
  const importJob = importJobOf(domain.name);
  const byDataset = new Map(Object.values<DatasetHandler>(datasets).map((handler) => [handler.dataset.name, handler]));
  const handlers = [
    ...Object.values<JobHandler>(jobs),
    handleJob(importJob, ({ params, ...run }) => {
      const dataset = params.key.split('/')[1] ?? '';
      const handler = byDataset.get(dataset);
      if (!handler)
        throw new InvalidInput(
          `Unknown dataset \`${dataset}\` in ${domain.name}. Allowed: ${[...byDataset.keys()].join(', ')}.`,
        );
      return importFile(handler, params, run);
    }),
  ];
  const byName = new Map(handlers.map((handler) => [jobNameOf(handler.job), handler]));

  const handleMessage = async (message: StartMessage, delivery: Delivery) => {
    const handler = byName.get(message.job);
    if (!handler) throw new InvalidInput(`Unknown job \`${message.job}\` in ${domain.name}.`);
    await withCorrelation(message.correlationId, () => runJob(handler, message, delivery));
  };
  return queueHandler(({ Records }, context, signal) =>
    Promise.allSettled(
      Records.map(async ({ body, messageId, attributes }) => {
        const delivery = { receives: Number(attributes.ApproximateReceiveCount), context, signal };
        try {
          for (const message of await messagesIn(importJob, body)) await handleMessage(message, delivery);
        } catch (error) {
          log.error('job message failed', { error, messageId });
          throw error;
        }
      }),
    ),
  );
}

async function messagesIn(importJob: JobDeclaration, body: string): Promise<StartMessage[]> {
  const parsed: unknown = JSON.parse(body);
  const notice = uploadNotice.safeParse(parsed);
  if (notice.success) return Promise.all(notice.data.Records.map(({ s3 }) => importMessage(importJob, s3)));
  if ((parsed as { Event?: string }).Event === 's3:TestEvent') return [];
  const message = jobMessage.safeParse(parsed);
  if (!message.success) throw new InvalidInput('The message does not name a job.', [], { cause: message.error });
  return [message.data];
}

/**
 * The third part of a key may be a job id chosen by the uploader, for tracking the job. Each version of a file has an
 * import of its own: if the key is uploaded again, the chosen id belongs to the first version, and the next one gets a new
 * id.
 */
async function importMessage(
  importJob: JobDeclaration,
  { bucket, object }: z.output<typeof upload>,
): Promise<StartMessage> {
  const key = decodeKey(object.key);
  const chosen = ulidText.safeParse(key.split('/')[2]).data;
  const message = {
    job: jobNameOf(importJob),
    params: { bucket: bucket.name, key, ...(object.eTag === undefined ? {} : { etag: object.eTag }) },
    requestedBy: 'imports bucket',
  };
  const taken = sql`select from platform.jobs where id = ${chosen} and params <> ${message.params}`;
  if (chosen === undefined || (await query(taken, 'sync')).length > 0) return message;
  return { ...message, jobId: chosen };
}

const decodeKey = (key: string) => decodeURIComponent(key.replaceAll('+', ' '));
