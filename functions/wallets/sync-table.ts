import type { JobContext, JobOutcome } from '../../shared/jobs/run-job.ts';
import { runSync } from '../../shared/jobs/sync.ts';
import { raiseWatermark, watermarkOf } from '../../shared/jobs/watermark.ts';
import type { SyncParams } from './jobs.ts';
import { forgetEndedRuns, removalsOf, takeNotes } from './missing-rows.ts';
import { readStatement } from './read-statement.ts';
import { getSnowflake } from './sources/snowflake.ts';
import { toBatch } from './table-batch.ts';
import {
  beginningOf,
  type Position,
  planSync,
  type SyncPlan,
  type TableBatch,
  type WarehouseTable,
} from './warehouse-table.ts';

/** Changes that commit late, or by a slow clock, are found by looking back. */
const overlapMinutes = 15;

/**
 * Syncs a table of the warehouse: all of it, or what changed. Plan, batches, end: the batches of a run commit in order,
 * each with its checkpoint, and a run of any length continues after its last batch; at the end a full run removes what is
 * gone, and the watermark rises.
 *
 * @throws Superseded    another sync of the table is running
 * @throws InvalidInput  Snowflake refuses the statement, or a column is not as expected
 * @throws Integrity     too many rows were rejected, or more would be removed than is allowed
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
        const kept = position as Position | null;
        const at = kept?.run === run.jobId ? kept : beginningOf(run.jobId);
        high = at.high;
        return batchesOf(table, plan, at, run.deadline);
      },
      async apply(tx, rows, batch) {
        high = batch.next?.high ?? high;
        if (batch.remove) {
          const gone = await table.removal!.remove(tx, await takeNotes(tx, run.jobId));
          removed += gone;
          return { applied: gone, unchanged: 0 };
        }
        const changed = await table.record(tx, rows);
        if (batch.note) {
          const { after, upTo, before } = batch.note;
          await table.removal!.note(tx, run.jobId, after, upTo, before);
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
    if (at.statement === null) await forgetEndedRuns();
    const snowflake = await getSnowflake();
    const place = { run: at.run, position: at.statement ?? undefined, deadline };
    for await (const chunk of readStatement(snowflake, plan.statement, place)) {
      // a result that had to be requested again starts over
      if (chunk.firstRow === 1) at = { ...at, lastRow: null, rejected: 0 };
      const batch = toBatch(table, at, chunk, plan.findsRemoved);
      at = batch.next!;
      yield batch;
    }
  }
  if (plan.findsRemoved) yield* removalsOf(table, plan.maxRemovedShare, at);
}
