/** The canary of the replicas: run by each deployment (`handler`), by schedule and by the operator (the job). */
import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import { type CanaryOptions, type CanaryReport, runCanary } from '../../shared/db/replica-canary.ts';
import { env } from '../../shared/env.ts';
import type { JobHandler } from '../../shared/jobs/etl.ts';
import { Integrity, TributaryError } from '../../shared/kernel/errors.ts';
import { log } from '../../shared/observability/log.ts';
import { count } from '../../shared/observability/metrics.ts';
import { falseClaims, problemsOf } from './replica-verdict.ts';

const longestRunMs = 120_000;
/** Kept for the last statements of a run whose deadline has come. */
const reserveMs = 60_000;
const retryAfterMs = 3_000;

/** Fails the deployment if the replicas are not what the cache believes; its result is the report. */
export const handler = async (_event: unknown, context: Context): Promise<CanaryReport> => {
  const deadline = new Date(Date.now() + context.getRemainingTimeInMillis() - reserveMs);
  for (;;) {
    try {
      return await verify({ deadline });
    } catch (error) {
      // a cluster that was paused takes half a minute to answer
      const mayComeBack = error instanceof TributaryError && error.retryable && Date.now() < deadline.getTime();
      if (!mayComeBack) throw error;
      log.warn('the replica canary is run again', { error });
      await wait(retryAfterMs);
    }
  }
};

/** The job `platform.verifyReplicas`; the report is its result. Options are for tests. */
export function createVerifyReplicas(options: Partial<CanaryOptions> = {}): JobHandler {
  return async ({ deadline, step }) => {
    await step('rounds');
    return { result: await verify({ deadline, ...options }) };
  };
}

/**
 * Runs the canary, counts false claims in `ReplicaProofFalse`, and judges the report by what the settings believe.
 *
 * @throws Integrity  something that the cache relies on is not true here; the message says what to do
 * @throws Unavailable, Deadline  the cluster could not be asked (retryable)
 */
async function verify(options: CanaryOptions): Promise<CanaryReport> {
  const deadline = new Date(Math.min(options.deadline.getTime(), Date.now() + longestRunMs));
  const report = await runCanary({ ...options, deadline });
  const believed = env('REPLICA_PROOFS');
  count('ReplicaProofFalse', 'Count', falseClaims(report, believed));
  const problems = problemsOf(report, believed);
  if (problems.length === 0) {
    log[report.isComplete ? 'info' : 'warn']('the replica canary passed', { report });
    return report;
  }
  const error = new Integrity(`The replica canary failed. ${problems.join(' ')}`, { details: { report } });
  log.error('the replica canary failed', { error, report });
  throw error;
}
