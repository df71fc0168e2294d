import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { JobContext, JobOutcome } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { raiseWatermark, watermarkOf } from '../../shared/jobs/watermark.ts';
import { Busy } from '../../shared/kernel/errors.ts';
import type { SyncParams } from './jobs.ts';
import { forgetEndedRuns, forgetRun, keepSeenKeys, removalBatches, removeMissing } from './missing-rows.ts';
import { readStatement } from './read-statement.ts';
import { getSnowflake } from './sources/snowflake.ts';
import { toBatch } from './table-batch.ts';
import {
  initialPosition,
  type Position,
  planSync,
  type SyncPlan,
  type TableBatch,
  type WarehouseTable,
} from './warehouse-table.ts';

/** How far an incremental sync looks back, to find changes that committed late or under a slow clock. */
const overlapMinutes = 15;

type Row = Record<string, unknown>;

/**
 * Syncs a warehouse table, either all rows or the changed ones. The batches of a run commit in order, each with its
 * checkpoint, so a run that is cut off resumes after its last batch. At the end, a full run removes missing rows, and the
 * watermark advances.
 *
 * @throws Busy          another sync of the table is running (retryable)
 * @throws InvalidInput  Snowflake rejected the statement, or its result lacks a column
 * @throws Integrity     too many rows were rejected, or more rows are missing than may be removed
 */
export async function syncTable(
  table: WarehouseTable,
  { params, step, ...run }: JobContext<SyncParams>,
): Promise<JobOutcome> {
  const since = params.mode === 'incremental' ? await watermarkOf(`wallets.${table.name}`, overlapMinutes) : undefined;
  const plan = planSync(table, since, params.maxRemovedShare);
  await step(since === undefined ? 'all rows' : `changes since ${since.toISOString()}`);
  let at = initialPosition(run.jobId);
  let removed = 0;
  const outcome = await runSync<Row, TableBatch<Row>>(
    {
      name: plan.name,
      read(position) {
        const stored = position as Partial<Position> | null;
        at = resume(stored, run.jobId);
        return batchesOf(table, plan, at, stored?.run, run.deadline);
      },
      async apply(tx, rows, batch) {
        at = batch.next;
        if (batch.remove) {
          const count = await removeMissing(tx, table.removal!, at);
          removed += count;
          return { applied: count, unchanged: 0 };
        }
        await keepSeenKeys(tx, run.jobId, batch);
        return table.record(tx, rows);
      },
      async finish(tx) {
        await raiseWatermark(tx, plan.name, at.completeToMicros);
        await forgetRun(tx, run.jobId);
        return undefined;
      },
    },
    run,
  );
  return outcome === 'continue' ? outcome : { result: { mode: plan.mode, removed } };
}

/** Where a job resumes. The position of another job, or of an earlier version of this code, is of no use to it. */
function resume(stored: Partial<Position> | null, jobId: string): Position {
  return stored?.run === jobId && stored.unknownKeys !== undefined ? (stored as Position) : initialPosition(jobId);
}

/** A run holds no lease between two of its messages, for which it has 15 minutes. @throws Busy  the run is not over */
async function assertOver(run: string, { name }: SyncPlan): Promise<void> {
  const running = await query(
    sql`select from platform.jobs
        where id = ${run} and status = 'running' and lease_until > clock_timestamp() - interval '15 minutes'`,
    'sync',
  );
  if (running.length > 0) throw new Busy(`Another run of ${name} is in progress.`, 30, { details: { run } });
}

async function* batchesOf(
  table: WarehouseTable,
  plan: SyncPlan,
  from: Position,
  storedRun: string | undefined,
  deadline: Date,
): AsyncIterable<TableBatch<Row>> {
  if (storedRun !== undefined && storedRun !== from.run) await assertOver(storedRun, plan);
  let at = from;
  if (at.phase === 'reading') {
    if (at.statement === null) await forgetEndedRuns();
    const snowflake = await getSnowflake();
    const statementRun = { run: at.run, position: at.statement ?? undefined, deadline };
    for await (const chunk of readStatement(snowflake, plan.statement, statementRun)) {
      // a result that had to be requested again starts over
      const batch = toBatch(table, chunk.firstRow === 1 ? initialPosition(at.run) : at, chunk, plan.findsRemoved);
      at = batch.next;
      yield batch;
    }
  }
  if (plan.findsRemoved) yield* removalBatches(table.name, table.removal!, plan.maxRemovedShare, at);
}
