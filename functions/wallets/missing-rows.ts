/**
 * What a full sync did not find in the warehouse: noted while it reads, and removed at its end if that is plausible.
 */
import sql, { raw } from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import type { Position, TableBatch, WarehouseTable } from './warehouse-table.ts';

const batchSize = 10_000;

/**
 * The batches that remove what is gone.
 *
 * @throws Integrity  rows were rejected, or more are gone than may be removed; nothing is removed then
 */
export async function* removalsOf<Row>(
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
  const implausible = reasonToRefuse(at, missing / stored, maxRemovedShare);
  if (implausible !== undefined) {
    await inTransaction((tx) => tx.query('delete from wallets.missing_rows where run = $1', [run]));
    throw new Integrity(`${missing} of ${stored} rows are gone from ${name}, but none was removed: ${implausible}`, {
      details: { missing, stored },
    });
  }
  for (let left = missing; left > 0; left -= batchSize)
    yield { rows: [], rejected: [], next: { ...at, phase: 'removing' }, remove: true };
}

function reasonToRefuse({ phase, rejected }: Position, share: number, maxRemovedShare: number): string | undefined {
  if (rejected > 0) return `${rejected} rows were rejected.`;
  // what is left of a removal that was plausible as a whole
  if (phase === 'removing' || share <= maxRemovedShare) return undefined;
  return `that is more than ${maxRemovedShare * 100} %. If it is correct, run the job with a higher maxRemovedShare.`;
}

/** Takes the next keys that a run noted. */
export async function takeNotes(tx: Transaction, run: string): Promise<string[]> {
  const { rows } = await tx.query<{ key: string }>(
    `delete from wallets.missing_rows
     where run = $1 and key in (select key from wallets.missing_rows where run = $1 order by key limit $2)
     returning key`,
    [run, batchSize],
  );
  return rows.map(({ key }) => key);
}

/** Forgets the notes of runs that ended before they removed anything. */
export async function forgetEndedRuns(): Promise<void> {
  await inTransaction((tx) =>
    tx.query(`delete from wallets.missing_rows m
      where not exists (select 1 from platform.jobs j where j.id = m.run and j.status = 'running')`),
  );
}
