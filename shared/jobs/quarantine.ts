/**
 * Units that a job could not process, each with its reason, so that one costs itself alone: the others go on without it,
 * and it is tried again later and later, up to once a day. `GET /v1/quarantine` lists them.
 */
import { createHash } from 'node:crypto';
import sql, { type Sql } from 'sql-template-tag';
import { toJsonb } from '../db/json.ts';
import { query } from '../db/read.ts';
import { inTransaction } from '../db/transaction.ts';
import { Busy, Config, Integrity, RateLimited, Superseded, TributaryError, Unavailable } from '../kernel/errors.ts';
import { type JobDeclaration, jobNameOf } from '../kernel/job.ts';
import { storable } from '../kernel/text.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import type { Run } from './job.ts';
import type { JobOutcome } from './run-job.ts';

/** A unit that failed. */
export interface Failure {
  /** Names it in the list: an address, a user's id. */
  unit: string;
  reason: string;
  /** What upstream sent, if that is what failed. */
  data?: unknown;
}

/** Names what upstream sent, if it has no name of its own: the same is the same unit when it comes again. */
export function digestOf(data: unknown): string {
  return `digest ${createHash('sha256').update(toJsonb(data)).digest('hex').slice(0, 16)}`;
}

const firstRetrySeconds = 300;
const maxRetrySeconds = 86_400;
/** After this many failures in a row of the upstream's own, the upstream is taken for down. */
const maxFailuresInARow = 5;
/** The share of units newly quarantined in one run above which it fails, so that somebody looks. */
const maxQuarantinedShare = 0.05;

/** A condition on a row of a query: whether the unit may be tried now. */
export function isDue(job: JobDeclaration, unit: Sql): Sql {
  return sql`${unit} not in (
    select q.unit from platform.quarantine q
    where q.source = ${jobNameOf(job)} and (q.retry_at is null or q.retry_at > now()))`;
}

/**
 * Processes units one after another. One that fails is quarantined, and one that another run is processing is left to it.
 * Returns `continue` if the deadline passed first, or a unit stopped at a checkpoint.
 *
 * @param units  those to process, without the ones that are not due (`isDue`)
 * @throws Integrity  more than 5% of the units failed for the first time; all others were processed
 * @throws what `work` throws if it concerns the whole run: a rate limit, the database, an upstream that is down
 */
export async function processUnits(
  job: JobDeclaration,
  run: Run,
  units: readonly string[],
  work: (unit: string) => Promise<JobOutcome | undefined>,
): Promise<'done' | 'continue'> {
  const source = jobNameOf(job);
  const processed: string[] = [];
  let failedInARow = 0;
  try {
    for (const [i, unit] of units.entries()) {
      try {
        if ((await work(unit)) === 'continue') return 'continue';
        failedInARow = 0;
        processed.push(unit);
      } catch (error) {
        if (error instanceof Busy) continue;
        await quarantineFailed(source, run, unit, error);
        failedInARow = isRetryable(error) ? failedInARow + 1 : 0;
        if (failedInARow >= maxFailuresInARow) throw error;
      }
      if (i < units.length - 1 && Date.now() >= run.deadline.getTime()) return 'continue';
    }
  } finally {
    await release(source, processed);
  }
  await assertFewQuarantined(source, run, units.length);
  return 'done';
}

/** Quarantines a unit that failed. @throws the error, if it concerns the whole run */
export async function quarantineFailed(source: string, run: Run, unit: string, error: unknown): Promise<void> {
  if ([Superseded, RateLimited, Unavailable, Config].some((kind) => error instanceof kind)) throw error;
  log.warn('unit quarantined', { source, unit, error });
  await quarantine(source, run.jobId, [{ unit, reason: reasonOf(error) }]);
}

/** @throws Integrity  of the units of a run, in all its messages, more than 5% failed for the first time */
export async function assertFewQuarantined(source: string, { jobId }: Run, units: number): Promise<void> {
  const [row] = await query<{ quarantined: number }>(
    sql`select count(*)::integer as quarantined from platform.quarantine
        where source = ${source} and job_id = ${jobId} and attempts = 1`,
    'sync',
  );
  const { quarantined } = row!;
  if (quarantined <= Math.max(1, units * maxQuarantinedShare)) return;
  throw new Integrity(`${quarantined} failed for the first time. The others were processed. See GET /v1/quarantine.`, {
    details: { quarantined },
  });
}

const isRetryable = (error: unknown) => error instanceof TributaryError && error.retryable;

function reasonOf(error: unknown): string {
  if (error instanceof TributaryError) return error.message;
  return 'It failed because of a bug in the code. See the logs for the error.';
}

/**
 * Quarantines units, each for twice as long as the time before.
 *
 * @param source  the name of the job or operation
 * @param jobId   the run that tried them. Null: nothing tries them again by itself
 */
export async function quarantine(source: string, jobId: string | null, failures: readonly Failure[]): Promise<void> {
  if (failures.length === 0) return;
  const { rows } = await inTransaction((tx) =>
    tx.query<{ attempts: number }>(
      `insert into platform.quarantine as q (source, unit, reason, data, job_id, retry_at)
       select distinct on (unit) $1, unit, reason, data, $2::text, case when $2 is not null then now() + make_interval(secs => $6) end
       from unnest($3::text[], $4::text[], $5::jsonb[]) as f (unit, reason, data) order by unit
       on conflict (source, unit) do update set reason = excluded.reason, data = excluded.data, job_id = excluded.job_id,
         attempts = q.attempts + 1, failed_at = now(),
         retry_at = case when $2 is not null then now() + make_interval(secs => least($6 * 2 ^ least(q.attempts, 20), $7)) end
       returning attempts`,
      [
        source,
        jobId,
        failures.map(({ unit }) => storable(unit)),
        failures.map(({ reason }) => storable(reason)),
        failures.map(({ data }) => (data === undefined ? null : toJsonb(data))),
        firstRetrySeconds,
        maxRetrySeconds,
      ],
    ),
  );
  count('Quarantined', 'Count', rows.filter(({ attempts }) => attempts === 1).length);
}

/** Takes units that were processed after all out of quarantine. */
export async function release(source: string, units: readonly string[]): Promise<void> {
  if (units.length === 0) return;
  await inTransaction((tx) =>
    tx.query('delete from platform.quarantine where source = $1 and unit = any($2::text[])', [source, units]),
  );
}
