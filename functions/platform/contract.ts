/** The HTTP operations of the platform itself: jobs, imports, and what an operator needs. */
import * as z from 'zod';
import { cursor } from '../../shared/kernel/cursor.ts';
import { operation } from '../../shared/kernel/declaration.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';

const count = z.int().nonnegative();
const timestamp = z.iso.datetime();
const noQuery = z.strictObject({});
const noPath = z.strictObject({});
const limit = z.coerce.number().int().min(1).max(200).default(50);

const jobName = z.string().regex(/^[a-z]+\.\w{1,60}$/, 'must be the name of a job: wallets.syncHoldings');

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

export const getJob = operation({
  operationId: 'getJob',
  method: 'GET',
  path: '/v1/jobs/{id}',
  summary: 'How a job stands.',
  access: 'public',
  pathParameters: z.strictObject({ id: ulidText }),
  query: noQuery,
  status: 200,
  response: job,
  problems: [404],
});

export const listJobs = operation({
  operationId: 'listJobs',
  method: 'GET',
  path: '/v1/jobs',
  summary: 'Syncs, imports, refreshes and maintenance, the last one first.',
  access: 'public',
  pathParameters: noPath,
  query: z.strictObject({ job: jobName.optional(), status: jobStatus.optional(), limit, cursor: cursor.optional() }),
  status: 200,
  response: z.strictObject({ jobs: z.array(job), nextCursor: z.string().nullable() }),
});

const queuedJob = z.strictObject({ jobId: ulidText, status: z.string() });

export const startJob = operation({
  operationId: 'startJob',
  method: 'POST',
  path: '/v1/admin/jobs',
  summary: 'Queues a job of a domain: a full sync, a rebuild, a maintenance.',
  access: 'admin',
  pathParameters: noPath,
  query: noQuery,
  body: z.strictObject({ job: jobName, params: z.record(z.string(), z.unknown()).default({}) }),
  status: 202,
  response: queuedJob,
  problems: [401, 404],
});

export const cancelJob = operation({
  operationId: 'cancelJob',
  method: 'POST',
  path: '/v1/admin/jobs/{id}/cancel',
  summary: 'Ends a job that is queued or running; what it has committed stands.',
  access: 'admin',
  pathParameters: z.strictObject({ id: ulidText }),
  query: noQuery,
  status: 200,
  response: queuedJob,
  problems: [401, 404, 409],
});

export const retryJob = operation({
  operationId: 'retryJob',
  method: 'POST',
  path: '/v1/admin/jobs/{id}/retry',
  summary: 'Queues the work of a job that has ended once more.',
  access: 'admin',
  pathParameters: z.strictObject({ id: ulidText }),
  query: noQuery,
  status: 202,
  response: queuedJob,
  problems: [401, 404, 409],
});

export const listRejectedRows = operation({
  operationId: 'listRejectedRows',
  method: 'GET',
  path: '/v1/jobs/{id}/rejected-rows',
  summary: 'The rows a job could not take, with the reason for each.',
  access: 'public',
  pathParameters: z.strictObject({ id: ulidText }),
  query: z.strictObject({ limit, cursor: cursor.optional() }),
  status: 200,
  response: z.strictObject({
    rejectedRows: z.array(z.strictObject({ position: count, reason: z.string(), row: z.unknown() })),
    nextCursor: z.string().nullable(),
  }),
  problems: [404],
});

export const listImports = operation({
  operationId: 'listImports',
  method: 'GET',
  path: '/v1/imports',
  summary: 'The kinds of file that can be imported, with their columns.',
  access: 'public',
  pathParameters: noPath,
  query: noQuery,
  status: 200,
  response: z.strictObject({
    imports: z.array(
      z.strictObject({
        dataset: z.string(),
        summary: z.string(),
        columns: z.array(z.strictObject({ name: z.string(), required: z.boolean(), settable: z.boolean() })),
        otherColumns: z.boolean(),
      }),
    ),
  }),
});

const delivery = z.strictObject({
  consumer: z.string(),
  status: z.enum(['applied', 'failed']),
  attempts: count,
  error: z.string().nullable(),
  at: timestamp,
});

export const getEvent = operation({
  operationId: 'getEvent',
  method: 'GET',
  path: '/v1/admin/events/{id}',
  summary: "An event's life: committed, published, and applied or failed by each consumer.",
  access: 'admin',
  pathParameters: z.strictObject({ id: z.string().regex(/^[1-9]\d{0,18}$/, 'must be the id of an event') }),
  query: noQuery,
  status: 200,
  response: z.strictObject({
    id: z.string(),
    type: z.string(),
    status: z.enum(['committed', 'published', 'applied', 'failed']),
    entities: z.array(z.string()),
    xid: z.string(),
    correlationId: z.string().nullable(),
    committedAt: timestamp,
    publishedAt: timestamp.nullable(),
    deliveries: z.array(delivery),
  }),
  problems: [401, 404],
});

export const listQueues = operation({
  operationId: 'listQueues',
  method: 'GET',
  path: '/v1/admin/queues',
  summary: 'Every queue with what waits in it and in its dead-letter queue.',
  access: 'admin',
  pathParameters: noPath,
  query: noQuery,
  status: 200,
  response: z.strictObject({
    queues: z.array(z.strictObject({ name: z.string(), waiting: count, inFlight: count, dead: count })),
  }),
  problems: [401],
});

export const listDeadLetters = operation({
  operationId: 'listDeadLetters',
  method: 'GET',
  path: '/v1/admin/queues/{name}/dead-letters',
  summary: 'A look at the messages a consumer has given up on.',
  access: 'admin',
  pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,79}$/) }),
  query: noQuery,
  status: 200,
  response: z.strictObject({
    deadLetters: z.array(z.strictObject({ messageId: z.string(), body: z.unknown(), receives: count })),
  }),
  problems: [401, 404],
});

export const redriveQueue = operation({
  operationId: 'redriveQueue',
  method: 'POST',
  path: '/v1/admin/queues/{name}/redrive',
  summary: 'Sends the dead letters of a queue through it once more.',
  access: 'admin',
  pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,79}$/) }),
  query: noQuery,
  status: 200,
  response: z.strictObject({ moved: count, remaining: count }),
  problems: [401, 404],
});

export const clearCache = operation({
  operationId: 'clearCache',
  method: 'POST',
  path: '/v1/admin/cache/clear',
  summary: 'Makes everything cached void: all of it, or what is kept for the named entities.',
  access: 'admin',
  pathParameters: noPath,
  query: noQuery,
  body: z.strictObject({ entities: z.array(z.string().min(1).max(200)).min(1).max(500).optional() }).optional(),
  status: 200,
  response: z.strictObject({ cleared: z.enum(['all', 'entities']), eventId: z.string() }),
  problems: [401],
});

const fenceEvent = z.strictObject({ id: z.string(), type: z.string(), committedAt: timestamp });

const explainedEntity = z.strictObject({
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

const explainedHost = z.strictObject({
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

export const explainCache = operation({
  operationId: 'explainCache',
  method: 'GET',
  path: '/v1/admin/cache/explain',
  summary: 'Why an answer is cached, stale or loaded: tags, fences and their events, proofs, replicas.',
  description:
    'Give an `entity` (`collections:0x…`), or the `url` of a cached read (`/v1/collections/0x…/nfts?page=2`): then ' +
    '`read` says what it would do now.',
  access: 'admin',
  pathParameters: noPath,
  query: z
    .strictObject({ entity: z.string().min(1).max(200).optional(), url: z.string().min(1).max(2_000).optional() })
    .refine(({ entity, url }) => (entity === undefined) !== (url === undefined), 'needs an entity or a url'),
  status: 200,
  response: z.strictObject({
    generation: z.strictObject({ name: z.string(), since: z.string(), previous: z.array(z.string()) }),
    /** The entity asked for; of a url, the one its answer lives with, then those it depends on. */
    entities: z.array(explainedEntity),
    hosts: z.array(explainedHost),
    /** What a read of the url would do now. */
    read: z
      .strictObject({
        operationId: z.string(),
        outcome: z.enum(['hit', 'load']),
        /** The proof by which the load would pass. */
        proof: z.enum(['writer', 'snapshot', 'status']).nullable(),
        because: z.string(),
      })
      .optional(),
  }),
  problems: [401, 404],
});

export const getOpenapi = operation({
  operationId: 'getOpenapi',
  method: 'GET',
  path: '/v1/openapi.json',
  summary: 'This description.',
  access: 'public',
  pathParameters: noPath,
  query: noQuery,
  status: 200,
  response: z.unknown(),
});

export const getDocs = operation({
  operationId: 'getDocs',
  method: 'GET',
  path: '/docs',
  summary: 'The API, to be browsed and tried.',
  access: 'public',
  pathParameters: noPath,
  query: noQuery,
  status: 200,
  response: z.unknown(),
  contentType: 'text/html; charset=utf-8',
});

export const getDocsAsset = operation({
  operationId: 'getDocsAsset',
  method: 'GET',
  path: '/docs/{file}',
  summary: 'A script or style of the documentation page.',
  access: 'public',
  pathParameters: z.strictObject({ file: z.enum(['swagger-ui.css', 'swagger-ui-bundle.js', 'docs.js']) }),
  query: noQuery,
  status: 200,
  response: z.unknown(),
  problems: [404],
  contentType: 'application/octet-stream',
});

export const getHealth = operation({
  operationId: 'getHealth',
  method: 'GET',
  path: '/v1/health',
  summary: 'Whether the parts answer: database writer and reader, cache.',
  access: 'public',
  pathParameters: noPath,
  query: noQuery,
  status: 200,
  response: z.strictObject({
    status: z.enum(['ok', 'degraded']),
    parts: z.record(z.string(), z.enum(['ok', 'failing'])),
  }),
});
