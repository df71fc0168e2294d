/** Stored rows that a full sync did not find in the warehouse: noted while it reads, and removed at its end if plausible. */
import sql, { raw } from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import type { Position, TableBatch, WarehouseTable } from './warehouse-table.ts';

const batchSize = 10_000;

/**
 * The batches that remove missing rows.
 *
 * @throws Integrity  rows were rejected, or more rows are missing than may be removed; nothing is removed
 */
export async function* removalBatches<Row>(
  { name, removal }: WarehouseTable<Row>,
  maxRemovedShare: number,
  at: Position,
): AsyncIterable<TableBatch<Row>> {
  const { run } = at;
  if (removal!.forgetMoved && at.phase === 'checking') await inTransaction((tx) => removal!.forgetMoved!(tx, run));
  const [counted] = await query<{ missing: number; stored: number }>(
    sql`select (select count(*)::integer from wallets.missing_rows where run = ${run}) as missing,
          (${raw(removal!.count)})::integer as stored`,
    'sync',
  );
  const { missing, stored } = counted!;
  if (missing === 0) return;
  const refusal = refusalReason(at, missing / stored, maxRemovedShare);
  if (refusal !== undefined) {
    await inTransaction((tx) => tx.query('delete from wallets.missing_rows where run = $1', [run]));
    throw new Integrity(
      `${missing} of ${stored} rows are missing from ${name}. None were removed, because ${refusal}`,
      {
        details: { missing, stored },
      },
    );
  }
  for (let left = missing; left > 0; left -= batchSize)
    yield { rows: [], rejected: [], next: { ...at, phase: 'removing' }, remove: true };
}

function refusalReason({ phase, rejected }: Position, share: number, maxRemovedShare: number): string | undefined {
  if (rejected > 0) return `${rejected} rows were rejected. Fix them in the warehouse and run the job again.`;
  // the rest of a removal that was plausible as a whole
  if (phase === 'removing' || share <= maxRemovedShare) return undefined;
  return `that is more than ${maxRemovedShare * 100}%. If it is correct, run the job with a higher maxRemovedShare.`;
}

/** Deletes and returns the next keys that a run noted, at most 10,000. */
export async function takeMissingKeys(tx: Transaction, run: string): Promise<string[]> {
  const { rows } = await tx.query<{ key: string }>(
    `delete from wallets.missing_rows
     where run = $1 and key in (select key from wallets.missing_rows where run = $1 order by key limit $2)
     returning key`,
    [run, batchSize],
  );
  return rows.map(({ key }) => key);
}

/** Deletes the notes of runs that are no longer running. */
export async function deleteNotesOfEndedRuns(): Promise<void> {
  await inTransaction((tx) =>
    tx.query(`delete from wallets.missing_rows m
      where not exists (select 1 from platform.jobs j where j.id = m.run and j.status = 'running')`),
  );
}
