/** What the platform's own room offers over HTTP and announces; its consumers and timers are wired in the stack. */
import type { Domain } from '../../shared/kernel/declaration.ts';
import * as contract from './contract.ts';
import * as events from './events.ts';
import * as jobs from './jobs.ts';

export const platform: Domain = {
  name: 'platform',
  title: 'Platform',
  summary: 'Jobs and imports, the API description, and the operator’s view of events, queues and the cache.',
  entities: {
    '*': 'Everything in the cache.',
    jobs: 'One run of a job. No view is cached under it; it names the run in events.',
  },
  operations: [
    contract.getHealth,
    contract.listJobs,
    contract.getJob,
    contract.startJob,
    contract.cancelJob,
    contract.retryJob,
    contract.listRejectedRows,
    contract.listImports,
    contract.getEvent,
    contract.listQueues,
    contract.listDeadLetters,
    contract.redriveQueue,
    contract.clearCache,
    contract.explainCache,
    contract.getOpenapi,
    contract.getDocs,
    contract.getDocsAsset,
  ],
  events: [events.cacheCleared, events.rowsLoaded],
  jobs: [jobs.maintainDatabase, jobs.verifyReplicas],
  imports: [],
  tables: [
    {
      name: 'jobs',
      summary: 'Every run of a sync, import or refresh.',
      announces: { ttlOnly: 'Never cached: jobs are read straight from the writer.' },
    },
    {
      name: 'replica_canary',
      summary: 'What the replica canary writes while it runs.',
      announces: { ttlOnly: 'Never cached: the canary alone reads it.' },
    },
  ],
  upstreams: [],
};
