import { afterAll, inject } from 'vitest';
import { jobs } from '../../functions/wallets/jobs.ts';
import { startSecrets } from '../../local/secrets.ts';
import type { MomentsSize } from '../../local/upstreams/moments.ts';
import { type SnowflakeStandIn, startSnowflake } from '../../local/upstreams/snowflake.ts';
import type { JobDeclaration } from '../../shared/kernel/job.ts';
import { createTestDomain } from './test-domain.ts';

/** The wallets domain under test, with its own warehouse to sync from. */
export async function createWallets(size: MomentsSize) {
  const warehouse: SnowflakeStandIn = await startSnowflake(size);
  const secrets = await startSecrets(
    new Map<string, Record<string, unknown>>([
      ['owner', { username: 'owner', password: 'owner' }],
      ['snowflake', warehouse.secret],
    ]),
  );
  afterAll(() => Promise.all([warehouse.stop(), secrets.stop()]));
  const environment = {
    UPSTREAM_SNOWFLAKE_URL: warehouse.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
  };
  const { snowflake } = await import('../../functions/upstreams/snowflake.ts');
  // the real warehouse's budget would slow the tests down
  snowflake.requestsPerSecond = 1_000;
  const domain = await createTestDomain('wallets', environment);

  /** Runs a job to its end, with all of its messages. */
  const runJob = async (job: keyof typeof jobs, params: Record<string, unknown> = {}) => {
    const { enqueueJob } = await import('../../shared/jobs/job.ts');
    const jobId = await enqueueJob(jobs[job] as JobDeclaration, params, 'test');
    await domain.drainJobs();
    return domain.jobRow(jobId);
  };
  return { ...domain, warehouse, runJob, services: inject('services') };
}
