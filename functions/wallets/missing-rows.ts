/**
 * Stored rows that are missing from the warehouse. A full sync keeps the keys of all rows of its result, wherever they are.
 * At its end, it notes the stored rows whose keys it has not seen, and removes them if that is plausible.
 */
import sql, { raw, type Sql } from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { Integrity } from '../../shared/kernel/errors.ts';
import type { Position, Removal, TableBatch } from './warehouse-table.ts';

const batchSize = 10_000;

/** Keeps the keys of a batch. `isFirst` forgets those of a result that expired before it was read. */
export async function keepSeenKeys(
  tx: Transaction,
  run: string,
  { seen, isFirst }: TableBatch<unknown>,
): Promise<void> {
  if (seen === undefined) return;
  if (isFirst) await tx.query('delete from wallets.seen_rows where run = $1', [run]);
  await tx.query('insert into wallets.seen_rows (run, keys) values ($1, $2)', [run, seen]);
}

/**
 * The batches that remove missing rows.
 *
 * @throws Integrity  rows were rejected with their keys, or more rows are missing than may be removed; nothing is removed
 */
export async function* removalBatches(
  name: string,
  removal: Removal,
  maxRemovedShare: number,
  at: Position,
): AsyncIterable<TableBatch<never>> {
  const { run } = at;
  if (at.phase === 'noting') await noteMissing(removal, at);
  const [counted] = await query<{ missing: number; stored: number }>(
    sql`select (select count(*)::integer from wallets.missing_rows where run = ${run}) as missing,
          (select count(*)::integer from ${raw(removal.table)} where ${raw(removal.where ?? 'true')}) as stored`,
    'sync',
  );
  const { missing, stored } = counted!;
  if (missing === 0) return;
  const refusal = refusalReason(at, missing / stored, maxRemovedShare);
  if (refusal !== undefined) {
    await inTransaction((tx) => forgetRun(tx, run));
    throw new Integrity(
      `${missing} of ${stored} rows are missing from ${name}. None were removed, because ${refusal}`,
      { details: { missing, stored } },
    );
  }
  for (let left = missing; left > 0; left -= batchSize)
    yield { rows: [], rejected: [], next: { ...at, phase: 'removing' }, remove: true };
}

function refusalReason({ unknownKeys }: Position, share: number, maxRemovedShare: number): string | undefined {
  if (unknownKeys > 0)
    return `${unknownKeys} rows do not say which they are. Fix them in the warehouse and run the job again.`;
  if (share <= maxRemovedShare) return undefined;
  return `that is more than ${maxRemovedShare * 100}%. If it is correct, run the job with a higher maxRemovedShare.`;
}

/** Notes the stored rows, as they are now, that the result lacks although they are older than the statement. */
async function noteMissing(removal: Removal, { run, submittedMicros }: Position): Promise<void> {
  const { table, storedKey, where = 'true' } = removal;
  const { column, type } = storedKey;
  await inTransaction(async (tx) => {
    await tx.query('delete from wallets.missing_rows where run = $1', [run]);
    // not joined as arrays, because the planner cannot tell how many keys they have
    await tx.query(`create temporary table seen_keys (key ${type}) on commit drop`);
    await tx.query(
      `insert into pg_temp.seen_keys select key::${type} from wallets.seen_rows, unnest(keys) as key where run = $1`,
      [run],
    );
    await tx.query('analyze pg_temp.seen_keys');
    await tx.query(sql`
      insert into wallets.missing_rows (run, key, stored)
      select ${run}, t.${raw(column)}::text, t::text from ${raw(table)} t
      where ${raw(where)} and ${isBefore(removal, submittedMicros)}
        and not exists (select from pg_temp.seen_keys s where s.key = t.${raw(column)})`);
  });
}

/**
 * Removes the next 10,000 rows that a run noted, and returns how many. A row that has changed since, or whose last event is
 * later than anything in the result, stays.
 */
export async function removeMissing(tx: Transaction, removal: Removal, at: Position): Promise<number> {
  const { table, storedKey } = removal;
  const { column, type } = storedKey;
  await removal.lock?.(tx);
  const { rowCount } = await tx.query(sql`
    with noted as (
      delete from wallets.missing_rows
      where run = ${at.run}
        and key in (select key from wallets.missing_rows where run = ${at.run} order by key limit ${batchSize})
      returning key, stored
    )
    delete from ${raw(table)} t using noted
    where t.${raw(column)} = noted.key::${raw(type)} and t::text = noted.stored and ${isBefore(removal, at.completeToMicros)}`);
  return rowCount ?? 0;
}

function isBefore({ eventAt }: Removal, micros: string | null): Sql {
  return eventAt === undefined ? raw('true') : sql`t.${raw(eventAt)} < to_timestamp(${micros}::numeric / 1000000)`;
}

/** Deletes what a run kept and noted. */
export async function forgetRun(tx: Transaction, run: string): Promise<void> {
  await tx.query('delete from wallets.seen_rows where run = $1', [run]);
  await tx.query('delete from wallets.missing_rows where run = $1', [run]);
}

/** Deletes what runs that have ended left behind. */
export async function forgetEndedRuns(): Promise<void> {
  await inTransaction(async (tx) => {
    for (const table of ['seen_rows', 'missing_rows'])
      await tx.query(`delete from wallets.${table} t
        where not exists (select 1 from platform.jobs j where j.id = t.run and j.status in ('queued', 'running'))`);
  });
}
