/** The schemas shared by the operations of the platform. */
import * as z from 'zod';
import { count, timestamp } from '../../shared/kernel/fields.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';

export const jobName = z
  .string()
  .regex(/^[a-z]\w{0,30}\.\w{1,60}$/, 'must be a job name, such as wallets.syncHoldings');

export const jobStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);

export const job = z
  .strictObject({
    id: ulidText,
    job: z.string(),
    params: z.record(z.string(), z.unknown()),
    status: jobStatus,
    progress: z.strictObject({
      read: count,
      applied: count,
      unchanged: count,
      rejected: count,
      /** The total number of rows, if known. */
      total: count.nullable(),
      /** 0 to 100, if known. */
      percent: z.number().min(0).max(100).nullable(),
      /** The current step, such as `tokens` or `transfers`. */
      step: z.string().nullable(),
      /** When the job will end at its current pace, if `percent` is known. */
      estimatedEnd: timestamp.nullable(),
    }),
    /** Since it last made progress. */
    attempts: count,
    /** Why it failed, or what it is waiting for. */
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    /** What the job reports, such as counts or drift. */
    result: z.record(z.string(), z.unknown()).nullable(),
    /** The path of the rejected rows, if there are any. */
    rejectedRows: z.string().nullable(),
    requestedBy: z.string(),
    createdAt: timestamp,
    startedAt: timestamp.nullable(),
    /** When the job last reported progress. */
    updatedAt: timestamp,
    finishedAt: timestamp.nullable(),
  })
  .meta({ id: 'Job' });

export const queuedJob = z.strictObject({ jobId: ulidText, status: z.string() });

export const quarantined = z
  .strictObject({
    /** The job or operation. */
    source: z.string(),
    /** An address, a user's id, or a digest of what upstream sent. */
    unit: z.string(),
    reason: z.string(),
    attempts: count,
    /** What upstream sent, if that is what failed. */
    data: z.unknown(),
    /** When it failed for the first time: its data is as old as that. */
    since: timestamp,
    failedAt: timestamp,
    /** Null if it is not tried again by itself. */
    retryAt: timestamp.nullable(),
    /** The run that failed last. Null for a webhook. */
    jobId: ulidText.nullable(),
  })
  .meta({ id: 'Quarantined' });

export const key = z
  .strictObject({
    id: ulidText,
    /** Whose it is, as the operator wrote it. */
    name: z.string(),
    createdAt: timestamp,
    revokedAt: timestamp.nullable(),
  })
  .meta({ id: 'Key' });

export const delivery = z.strictObject({
  consumer: z.string(),
  status: z.enum(['applied', 'failed']),
  attempts: count,
  error: z.string().nullable(),
  at: timestamp,
});

const fenceEvent = z.strictObject({ id: z.string(), type: z.string(), committedAt: timestamp });

export const explainedEntity = z.strictObject({
  entity: z.string(),
  /** Null if nothing is cached for the entity and none of its fences is remembered. */
  tag: z.string().nullable(),
  fences: z.array(z.strictObject({ xid: z.string(), events: z.array(fenceEvent) })),
  /** The largest transaction that is no longer remembered individually, or `0`. */
  forgotten: z.string(),
  views: z.array(
    z.strictObject({
      field: z.string(),
      loadedAt: timestamp,
      endsAt: timestamp,
      bytes: z.int().nonnegative(),
      /** The tags of its dependencies at the time of the load. */
      tags: z.array(z.string()),
    }),
  ),
});

export const explainedHost = z.strictObject({
  host: z.enum(['reader', 'analytics', 'writer']),
  answers: z.boolean(),
  /** Milliseconds behind the writer. Null if unknown. */
  lagMs: z.number().nullable(),
  /** Whether reads use this host. If not, they use the writer. */
  isUsed: z.boolean(),
  inRecovery: z.boolean().nullable(),
  /** `xmin:xmax:xip,…` */
  snapshot: z.string().nullable(),
  /** The proof that a load from this host would pass by. Null if there is none. */
  proof: z.enum(['writer', 'snapshot', 'status']).nullable(),
});
