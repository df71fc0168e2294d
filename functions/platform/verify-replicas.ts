/** The replica canary, run by each deployment (`handler`), and on a schedule or by the operator (the job). */
import { setTimeout as wait } from 'node:timers/promises';
import { type CanaryOptions, type CanaryReport, runCanary } from '../../shared/db/replica-canary.ts';
import { env } from '../../shared/env.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { Integrity, TributaryError } from '../../shared/kernel/errors.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';
import { count } from '../../shared/observability/metrics.ts';
import { jobs } from './jobs.ts';
import { falseClaims, problemsOf } from './replica-verdict.ts';

const maxRunMs = 120_000;
/** Reserved for the last statements of a run past its deadline. */
const reserveMs = 60_000;
const retryAfterMs = 3_000;

/** Fails the deployment if a trusted proof of a host is false. Returns the report. */
export const handler = invocation<unknown, CanaryReport>().handler(async (_event, context) => {
  const deadline = new Date(Date.now() + context.getRemainingTimeInMillis() - reserveMs);
  for (;;) {
    try {
      return await verify({ deadline });
    } catch (error) {
      // a paused cluster takes half a minute to respond
      const canRetry = error instanceof TributaryError && error.retryable && Date.now() < deadline.getTime();
      if (!canRetry) throw error;
      log.warn('replica canary attempt failed', { error });
      await wait(retryAfterMs);
    }
  }
});

/** Creates the job, whose result is the report. Options are for tests. */
export function createVerifyReplicas(options: Partial<CanaryOptions> = {}) {
  return handleJob(jobs.verifyReplicas, async ({ deadline, step }) => {
    await step('rounds');
    return { result: await verify({ deadline, ...options }) };
  });
}

/**
 * Runs the canary, counts false claims in the metric `ReplicaProofFalse`, and checks the report against the settings.
 *
 * @throws Integrity  a proof that the cache relies on is false; the message says what to do
 * @throws Unavailable, Deadline  the cluster did not respond (retryable)
 */
async function verify(options: CanaryOptions): Promise<CanaryReport> {
  const deadline = new Date(Math.min(options.deadline.getTime(), Date.now() + maxRunMs));
  const report = await runCanary({ ...options, deadline });
  const setting = env('REPLICA_PROOFS');
  count('ReplicaProofFalse', 'Count', falseClaims(report, setting));
  const problems = problemsOf(report, setting);
  if (problems.length === 0) {
    log[report.isComplete ? 'info' : 'warn']('replica canary passed', { report });
    return report;
  }
  const error = new Integrity(`The replica canary failed. ${problems.join(' ')}`, { details: { report } });
  log.error('replica canary failed', { error, report });
  throw error;
}
