/** The functions of the platform, besides its API and jobs. */
import type { FunctionDeclaration } from '../../shared/kernel/function.ts';

/** Longer than replication lag, one statement, and one load together. */
const redeliveryAfterSeconds = 120;

export const functions = {
  'relay-outbox': {
    summary: 'Publishes committed events from the outbox to the event bus.',
    invoked: { by: 'queue', maxConcurrency: 2, schedule: 'rate(1 minute)' },
    roles: { writes: 'writer' },
    timeoutSeconds: 60,
    grants: ['putEvents'],
  },
  'invalidate-cache': {
    summary: 'Raises the fences of the entities that each event names.',
    invoked: { by: 'events', maxConcurrency: 10, againAfterSeconds: redeliveryAfterSeconds },
    roles: { reads: 'reader', writes: 'writer' },
    redis: true,
    timeoutSeconds: 60,
  },
  'create-partitions': {
    summary: 'Creates upcoming partitions, and drops those past their retention.',
    invoked: { by: 'schedule', schedule: 'cron(30 2 * * ? *)' },
    roles: { writes: 'owner' },
    timeoutSeconds: 300,
  },
  'pack-partitions': {
    summary: 'Packs the months of tiered tables that are no longer hot, and merges late rows into packs.',
    invoked: { by: 'schedule', schedule: 'cron(0 3 * * ? *)' },
    roles: { writes: 'owner' },
    timeoutSeconds: 900,
  },
  'archive-partitions': {
    summary: 'Moves the oldest months of tiered tables to files, and deletes files past their retention.',
    // the second run is past the grace of the first
    invoked: { by: 'schedule', schedule: 'cron(15,45 4 * * ? *)' },
    roles: { writes: 'owner' },
    memoryMb: 2_048,
    timeoutSeconds: 900,
    grants: ['writeArchive'],
  },
  migrate: {
    summary: 'Migrates the database, and creates roles and partitions.',
    invoked: { by: 'deployment', when: 'before' },
    roles: { writes: 'owner' },
    // the session of the migrations, that of a conversion, and its transactions
    poolSize: 4,
    memoryMb: 1_024,
    timeoutSeconds: 900,
    grants: ['roleSecrets'],
    files: { migrations: 'migrations' },
  },
  'verify-replicas': {
    summary: "Runs the replica canary, and fails the deployment if a host's proof is false.",
    invoked: { by: 'deployment', when: 'after' },
    roles: { reads: 'reader', writes: 'writer' },
    poolSize: 4,
    timeoutSeconds: 300,
  },
  authorize: {
    summary: 'Authorizes the operator by bearer token.',
    invoked: { by: 'authorizer' },
    memoryMb: 256,
    timeoutSeconds: 5,
    grants: ['adminToken'],
  },
} satisfies Record<string, FunctionDeclaration>;
