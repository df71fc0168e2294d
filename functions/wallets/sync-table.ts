import type { JobContext, JobOutcome } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { raiseWatermark, watermarkOf } from '../../shared/jobs/watermark.ts';
import type { SyncParams } from './jobs.ts';
import { deleteNotesOfEndedRuns, removalBatches, takeMissingKeys } from './missing-rows.ts';
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

/**
 * Syncs a warehouse table, either all rows or the changed ones. The batches of a run commit in order, each with its
 * checkpoint, so a run that is cut off resumes after its last batch. At the end, a full run removes missing rows, and the
 * watermark advances.
 *
 * @throws Superseded    another sync of the table is running
 * @throws InvalidInput  Snowflake rejected the statement, or the columns differ from the expected ones
 * @throws Integrity     too many rows were rejected, or more rows are missing than may be removed
 */
export async function syncTable<Row>(
  table: WarehouseTable<Row>,
  { params, step, ...run }: JobContext<SyncParams>,
): Promise<JobOutcome> {
  const since = params.mode === 'incremental' ? await watermarkOf(`wallets.${table.name}`, overlapMinutes) : undefined;
  const plan = planSync(table, since, params.maxRemovedShare);
  await step(since === undefined ? 'all rows' : `changes since ${since.toISOString()}`);
  let high: string | null = null;
  let removed = 0;
  const outcome = await runSync<Row, TableBatch<Row>>(
    {
      name: plan.name,
      read(position) {
        const stored = position as Position | null;
        const at = stored?.run === run.jobId ? stored : initialPosition(run.jobId);
        high = at.high;
        return batchesOf(table, plan, at, run.deadline);
      },
      async apply(tx, rows, batch) {
        high = batch.next?.high ?? high;
        if (batch.remove) {
          const count = await table.removal!.remove(tx, await takeMissingKeys(tx, run.jobId));
          removed += count;
          return { applied: count, unchanged: 0 };
        }
        const changed = await table.record(tx, rows);
        if (batch.note) {
          const { after, upTo, before } = batch.note;
          await table.removal!.noteMissing(tx, run.jobId, after, upTo, before);
        }
        return changed;
      },
      async finish(tx) {
        await raiseWatermark(tx, plan.name, high);
        return undefined;
      },
    },
    run,
  );
  return outcome === 'continue' ? outcome : { result: { mode: plan.mode, removed } };
}

async function* batchesOf<Row>(
  table: WarehouseTable<Row>,
  plan: SyncPlan,
  from: Position,
  deadline: Date,
): AsyncIterable<TableBatch<Row>> {
  let at = from;
  if (at.phase === 'reading') {
    if (at.statement === null) await deleteNotesOfEndedRuns();
    const snowflake = await getSnowflake();
    const statementRun = { run: at.run, position: at.statement ?? undefined, deadline };
    for await (const chunk of readStatement(snowflake, plan.statement, statementRun)) {
      // a result that had to be requested again starts over
      if (chunk.firstRow === 1) at = { ...at, lastRow: null, rejected: 0 };
      const batch = toBatch(table, at, chunk, plan.findsRemoved);
      at = batch.next!;
      yield batch;
    }
  }
  if (plan.findsRemoved) yield* removalBatches(table, plan.maxRemovedShare, at);
}
