/** What the answers and parameters of the platform API are made of. */
import * as z from 'zod';
import { count, timestamp } from '../../shared/kernel/fields.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';

export const jobName = z.string().regex(/^[a-z]\w{0,30}\.\w{1,60}$/, 'must be the name of a job: wallets.syncHoldings');

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
      /** Rows expected in all, where it is known. */
      total: count.nullable(),
      /** 0 to 100, where it is known. */
      percent: z.number().min(0).max(100).nullable(),
      /** What it is at just now, in words: `tokens`, `transfers`. */
      step: z.string().nullable(),
      /** When it will be done if it goes on as it did, where the share is known. */
      estimatedEnd: timestamp.nullable(),
    }),
    attempts: count,
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    /** What it has to tell: a report, the drift it found. */
    result: z.record(z.string(), z.unknown()).nullable(),
    /** Where the rejected rows can be read, if there are any. */
    rejectedRows: z.string().nullable(),
    requestedBy: z.string(),
    createdAt: timestamp,
    startedAt: timestamp.nullable(),
    /** When it last told of its progress. */
    updatedAt: timestamp,
    finishedAt: timestamp.nullable(),
  })
  .meta({ id: 'Job' });

export const queuedJob = z.strictObject({ jobId: ulidText, status: z.string() });

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
  /** Null: nothing is cached for it, and no fence of it is remembered. */
  tag: z.string().nullable(),
  fences: z.array(z.strictObject({ xid: z.string(), events: z.array(fenceEvent) })),
  /** The largest transaction that is no longer remembered one by one; `0` if there is none. */
  forgotten: z.string(),
  views: z.array(
    z.strictObject({
      field: z.string(),
      loadedAt: timestamp,
      endsAt: timestamp,
      bytes: z.int().nonnegative(),
      /** The tags of its dependencies when it was loaded. */
      tags: z.array(z.string()),
    }),
  ),
});

export const explainedHost = z.strictObject({
  host: z.enum(['reader', 'analytics', 'writer']),
  answers: z.boolean(),
  /** Milliseconds behind the writer; null if it does not know. */
  lagMs: z.number().nullable(),
  /** Whether reads go there; if not, they go to the writer. */
  isUsed: z.boolean(),
  inRecovery: z.boolean().nullable(),
  /** `xmin:xmax:xip,…` */
  snapshot: z.string().nullable(),
  /** The proof that a load from it would pass by; null if there is none. */
  proof: z.enum(['writer', 'snapshot', 'status']).nullable(),
});
