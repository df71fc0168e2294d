/** The HTTP operations of the platform itself: jobs, imports, and what an operator needs. */
import * as z from 'zod';
import { cursor } from '../../shared/kernel/cursor.ts';
import { count, limit, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { delivery, explainedEntity, explainedHost, job, jobName, jobStatus, queuedJob } from './shapes.ts';

export const operations = defineOperations({
  getJob: {
    method: 'GET',
    path: '/v1/jobs/{id}',
    summary: 'How a job stands.',
    pathParameters: z.strictObject({ id: ulidText }),
    response: job,
    problems: [404],
  },

  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'Syncs, imports, refreshes and maintenance, the last one first.',
    query: z.strictObject({ job: jobName.optional(), status: jobStatus.optional(), limit, cursor: cursor.optional() }),
    response: z.strictObject({ jobs: z.array(job), nextCursor: z.string().nullable() }),
  },

  startJob: {
    method: 'POST',
    path: '/v1/admin/jobs',
    summary: 'Queues a job of a domain: a full sync, a rebuild, a maintenance.',
    access: 'admin',
    body: z.strictObject({ job: jobName, params: z.record(z.string(), z.unknown()).default({}) }),
    status: 202,
    response: queuedJob,
    problems: [401, 404],
  },

  cancelJob: {
    method: 'POST',
    path: '/v1/admin/jobs/{id}/cancel',
    summary: 'Ends a job that is queued or running; what it has committed stands.',
    access: 'admin',
    pathParameters: z.strictObject({ id: ulidText }),
    response: queuedJob,
    problems: [401, 404, 409],
  },

  retryJob: {
    method: 'POST',
    path: '/v1/admin/jobs/{id}/retry',
    summary: 'Queues the work of a job that has ended once more.',
    access: 'admin',
    pathParameters: z.strictObject({ id: ulidText }),
    status: 202,
    response: queuedJob,
    problems: [401, 404, 409],
  },

  listRejectedRows: {
    method: 'GET',
    path: '/v1/jobs/{id}/rejected-rows',
    summary: 'The rows a job could not take, with the reason for each.',
    pathParameters: z.strictObject({ id: ulidText }),
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({
      rejectedRows: z.array(z.strictObject({ position: count, reason: z.string(), row: z.unknown() })),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
  },

  listImports: {
    method: 'GET',
    path: '/v1/imports',
    summary: 'The kinds of file that can be imported, with their columns.',
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
  },

  getEvent: {
    method: 'GET',
    path: '/v1/admin/events/{id}',
    summary: "An event's life: committed, published, and applied or failed by each consumer.",
    access: 'admin',
    pathParameters: z.strictObject({ id: z.string().regex(/^[1-9]\d{0,18}$/, 'must be the id of an event') }),
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
  },

  listQueues: {
    method: 'GET',
    path: '/v1/admin/queues',
    summary: 'Every queue with what waits in it and in its dead-letter queue.',
    access: 'admin',
    response: z.strictObject({
      queues: z.array(z.strictObject({ name: z.string(), waiting: count, inFlight: count, dead: count })),
    }),
    problems: [401],
  },

  listDeadLetters: {
    method: 'GET',
    path: '/v1/admin/queues/{name}/dead-letters',
    summary: 'A look at the messages a consumer has given up on.',
    access: 'admin',
    pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,79}$/) }),
    response: z.strictObject({
      deadLetters: z.array(z.strictObject({ messageId: z.string(), body: z.unknown(), receives: count })),
    }),
    problems: [401, 404],
  },

  redriveQueue: {
    method: 'POST',
    path: '/v1/admin/queues/{name}/redrive',
    summary: 'Sends the dead letters of a queue through it once more.',
    access: 'admin',
    pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]{0,79}$/) }),
    response: z.strictObject({ moved: count, remaining: count }),
    problems: [401, 404],
  },

  clearCache: {
    method: 'POST',
    path: '/v1/admin/cache/clear',
    summary: 'Makes everything cached void: all of it, or what is kept for the named entities.',
    access: 'admin',
    body: z.strictObject({ entities: z.array(z.string().min(1).max(200)).min(1).max(500).optional() }).optional(),
    response: z.strictObject({ cleared: z.enum(['all', 'entities']), eventId: z.string() }),
    problems: [401],
  },

  explainCache: {
    method: 'GET',
    path: '/v1/admin/cache/explain',
    summary: 'Why an answer is cached, stale or loaded: tags, fences and their events, proofs, replicas.',
    description:
      'Give an `entity` (`collections:0x…`), or the `url` of a cached read (`/v1/collections/0x…/nfts?page=2`): then ' +
      '`read` says what it would do now.',
    access: 'admin',
    query: z
      .strictObject({ entity: z.string().min(1).max(200).optional(), url: z.string().min(1).max(2_000).optional() })
      .refine(({ entity, url }) => (entity === undefined) !== (url === undefined), 'needs an entity or a url'),
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
  },

  getOpenapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description.',
    response: z.unknown(),
  },

  getDocs: {
    method: 'GET',
    path: '/docs',
    summary: 'The API, to be browsed and tried.',
    response: z.unknown(),
    contentType: 'text/html; charset=utf-8',
  },

  getDocsAsset: {
    method: 'GET',
    path: '/docs/{file}',
    summary: 'A script or style of the documentation page.',
    pathParameters: z.strictObject({ file: z.enum(['swagger-ui.css', 'swagger-ui-bundle.js', 'docs.js']) }),
    response: z.unknown(),
    problems: [404],
    contentType: 'application/octet-stream',
  },

  getHealth: {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the parts answer: database writer and reader, cache.',
    response: z.strictObject({
      status: z.enum(['ok', 'degraded']),
      parts: z.record(z.string(), z.enum(['ok', 'failing'])),
    }),
  },
});
