import { createApi } from '../../shared/http/api.ts';
import { cancelJob } from './cancel-job.ts';
import { clearCache } from './clear-cache.ts';
import { createKey } from './create-key.ts';
import { platform } from './domain.ts';
import { explainCache } from './explain-cache.ts';
import { getDocs } from './get-docs.ts';
import { getDocsAsset } from './get-docs-asset.ts';
import { getEvent } from './get-event.ts';
import { getHealth } from './get-health.ts';
import { getJob } from './get-job.ts';
import { getOpenapi } from './get-openapi.ts';
import { listDeadLetters } from './list-dead-letters.ts';
import { listImports } from './list-imports.ts';
import { listJobs } from './list-jobs.ts';
import { listKeys } from './list-keys.ts';
import { listQuarantine } from './list-quarantine.ts';
import { listQueues } from './list-queues.ts';
import { listRejectedRows } from './list-rejected-rows.ts';
import { redriveQueue } from './redrive-queue.ts';
import { retryJob } from './retry-job.ts';
import { revokeKey } from './revoke-key.ts';
import { startJob } from './start-job.ts';

export const handler = createApi(platform, {
  getHealth,
  listJobs,
  getJob,
  startJob,
  cancelJob,
  retryJob,
  listRejectedRows,
  listQuarantine,
  listImports,
  getEvent,
  listQueues,
  listDeadLetters,
  redriveQueue,
  clearCache,
  explainCache,
  createKey,
  listKeys,
  revokeKey,
  getOpenapi,
  getDocs,
  getDocsAsset,
});
