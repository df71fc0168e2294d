/** The HTTP operations of the platform: jobs, imports, API documentation, health, and the operator's tools. */
import * as z from 'zod';
import { cursor } from '../../shared/kernel/cursor.ts';
import { count, limit, timestamp } from '../../shared/kernel/fields.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { storedText } from '../../shared/kernel/text.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import {
  delivery,
  explainedEntity,
  explainedHost,
  job,
  jobName,
  jobStatus,
  key,
  quarantined,
  queuedJob,
} from './shapes.ts';

export const operations = defineOperations({
  getJob: {
    method: 'GET',
    path: '/v1/jobs/{id}',
    summary: 'The status, progress, and result of a job.',
    pathParameters: z.strictObject({ id: ulidText }),
    response: job,
    problems: [404],
  },

  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'All jobs (syncs, imports, refreshes, and maintenance), latest first.',
    query: z.strictObject({ job: jobName.optional(), status: jobStatus.optional(), limit, cursor: cursor.optional() }),
    response: z.strictObject({ jobs: z.array(job), nextCursor: z.string().nullable() }),
  },

  startJob: {
    method: 'POST',
    path: '/v1/admin/jobs',
    summary: 'Queues a job, such as a full sync, a rebuild, or maintenance.',
    access: 'admin',
    body: z.strictObject({ job: jobName, params: z.record(z.string(), z.unknown()).default({}) }),
    status: 202,
    response: queuedJob,
    problems: [401, 404],
  },

  cancelJob: {
    method: 'POST',
    path: '/v1/admin/jobs/{id}/cancel',
    summary: 'Cancels a queued or running job. Batches that it has committed stay applied.',
    access: 'admin',
    pathParameters: z.strictObject({ id: ulidText }),
    response: queuedJob,
    problems: [401, 404, 409],
  },

  retryJob: {
    method: 'POST',
    path: '/v1/admin/jobs/{id}/retry',
    summary: 'Queues a finished job again, with the same parameters.',
    access: 'admin',
    pathParameters: z.strictObject({ id: ulidText }),
    status: 202,
    response: queuedJob,
    problems: [401, 404, 409],
  },

  listRejectedRows: {
    method: 'GET',
    path: '/v1/jobs/{id}/rejected-rows',
    summary: 'The rows that a job rejected, with the reason for each.',
    pathParameters: z.strictObject({ id: ulidText }),
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({
      rejectedRows: z.array(z.strictObject({ position: count, reason: z.string(), row: z.unknown() })),
      nextCursor: z.string().nullable(),
    }),
    problems: [404],
  },

  listQuarantine: {
    method: 'GET',
    path: '/v1/quarantine',
    summary:
      'What jobs and webhooks could not process (collections, users, logs), with the reason and the next attempt.',
    query: z.strictObject({ source: jobName.optional(), limit, cursor: cursor.optional() }),
    response: z.strictObject({ quarantine: z.array(quarantined), nextCursor: z.string().nullable() }),
  },

  listImports: {
    method: 'GET',
    path: '/v1/imports',
    summary: 'The datasets that can be imported, with their columns.',
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
    summary: 'The status of an event: committed, published, and applied or failed by each consumer.',
    access: 'admin',
    pathParameters: z.strictObject({ id: z.string().regex(/^[1-9]\d{0,18}$/, 'must be an event id') }),
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
    summary: 'All queues, with the number of messages in each and in its dead-letter queue.',
    access: 'admin',
    response: z.strictObject({
      queues: z.array(z.strictObject({ name: z.string(), waiting: count, inFlight: count, dead: count })),
    }),
    problems: [401],
  },

  listDeadLetters: {
    method: 'GET',
    path: '/v1/admin/queues/{name}/dead-letters',
    summary: 'Up to ten messages of a dead-letter queue, without removing them.',
    access: 'admin',
    pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9_-]{0,79}$/) }),
    response: z.strictObject({
      deadLetters: z.array(z.strictObject({ messageId: z.string(), body: z.unknown(), receives: count })),
    }),
    problems: [401, 404],
  },

  redriveQueue: {
    method: 'POST',
    path: '/v1/admin/queues/{name}/redrive',
    summary: 'Moves the messages of a dead-letter queue back to its queue.',
    access: 'admin',
    pathParameters: z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9_-]{0,79}$/) }),
    response: z.strictObject({ moved: count, remaining: count }),
    problems: [401, 404],
  },

  clearCache: {
    method: 'POST',
    path: '/v1/admin/cache/clear',
    summary: 'Clears the cached responses of the named entities, or all cached responses.',
    access: 'admin',
    body: z.strictObject({ entities: z.array(z.string().min(1).max(200)).min(1).max(500).optional() }).optional(),
    response: z.strictObject({ cleared: z.enum(['all', 'entities']), eventId: z.string() }),
    problems: [401],
  },

  explainCache: {
    method: 'GET',
    path: '/v1/admin/cache/explain',
    summary:
      'Explains why a response is cached, stale, or loaded: tags, fences and their events, proofs, and replicas.',
    description:
      'Pass either an `entity` (`collections:0x…`) or the `url` of a cached read (`/v1/collections/0x…/nfts?page=2`). ' +
      'For a `url`, `read` says what a request would do now.',
    access: 'admin',
    query: z
      .strictObject({ entity: z.string().min(1).max(200).optional(), url: z.string().min(1).max(2_000).optional() })
      .refine(
        ({ entity, url }) => (entity === undefined) !== (url === undefined),
        'must have exactly one of entity and url',
      ),
    response: z.strictObject({
      generation: z.strictObject({ name: z.string(), since: z.string(), previous: z.array(z.string()) }),
      /** The given entity. For a url: the entity that its view is cached under, then those that it depends on. */
      entities: z.array(explainedEntity),
      hosts: z.array(explainedHost),
      /** What a request for the url would do now. */
      read: z
        .strictObject({
          operationId: z.string(),
          outcome: z.enum(['hit', 'load']),
          /** What would serve it, as `x-served-by` would say. Null if nothing could. */
          servedBy: z.enum(['cache', 'reader', 'analytics', 'writer']).nullable(),
          /** The proof that the load would pass by. */
          proof: z.enum(['writer', 'snapshot', 'status']).nullable(),
          because: z.string(),
        })
        .optional(),
    }),
    problems: [401, 404],
  },

  createKey: {
    method: 'POST',
    path: '/v1/admin/keys',
    summary: 'Issues a key for an owner of alerts. Its token is shown only here.',
    access: 'admin',
    body: z.strictObject({ name: storedText(100) }),
    response: z.strictObject({ ...key.shape, token: z.string() }),
    problems: [401],
  },

  listKeys: {
    method: 'GET',
    path: '/v1/admin/keys',
    summary: 'The keys of owners, latest first, without their tokens.',
    access: 'admin',
    query: z.strictObject({ limit, cursor: cursor.optional() }),
    response: z.strictObject({ keys: z.array(key), nextCursor: z.string().nullable() }),
    problems: [401],
  },

  revokeKey: {
    method: 'DELETE',
    path: '/v1/admin/keys/{id}',
    summary: 'Revokes a key at once. What belongs to it stays, but rests.',
    access: 'admin',
    pathParameters: z.strictObject({ id: ulidText }),
    response: key,
    problems: [401, 404],
  },

  getOpenapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This OpenAPI document.',
    response: z.unknown(),
  },

  getDocs: {
    method: 'GET',
    path: '/docs',
    summary: 'A page to browse and try the API.',
    response: z.unknown(),
    contentType: 'text/html; charset=utf-8',
  },

  getDocsAsset: {
    method: 'GET',
    path: '/docs/{file}',
    summary: 'A script or stylesheet of the documentation page.',
    pathParameters: z.strictObject({ file: z.enum(['swagger-ui.css', 'swagger-ui-bundle.js', 'docs.js']) }),
    response: z.unknown(),
    problems: [404],
    contentType: 'application/octet-stream',
  },

  getHealth: {
    method: 'GET',
    path: '/v1/health',
    summary: 'The health of the database writer, the database reader, and the cache.',
    response: z.strictObject({
      status: z.enum(['ok', 'degraded']),
      parts: z.record(z.string(), z.enum(['ok', 'failing'])),
    }),
  },
});
